//! What came in: captured events, counts of uncaptured ones, and the incidents they belong to; fingerprints are
//! given by ingest and are not made here.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use crate::seal::{Column, Place, Seals};
use crate::time::whole_microseconds;
use homeostasis_domain::value::shorten;
use homeostasis_domain::{Event, EventId, Incident, IncidentId};
use jiff::Timestamp;
use sqlx::SqliteConnection;

/// So many of the latest events of an incident are kept.
const KEPT_EVENTS: i64 = 20;
/// And so many bytes of them, but always the latest one.
const KEPT_BYTES: i64 = 32 * 1024 * 1024;

/// What recording an event came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its incident, with this event counted.
    pub incident: Incident,
    /// Whether this event is its first.
    pub new_incident: bool,
    /// Whether the event was here before, in which case nothing was changed.
    pub duplicate: bool,
}

impl Store {
    /// Keeps an event and counts it. Beyond the latest 20 of an incident, or the latest 32 MiB, events go, except
    /// those that a heal refers to: its decisions must stay explainable.
    pub async fn record_event(&self, event: &Event) -> Result<Recorded, StoreError> {
        let body =
            serde_json::to_vec(event).map_err(|error| StoreError::unstorable("an event", error))?;
        let incident = IncidentId::of(&event.service, &event.environment, &event.fingerprint);
        let body = self
            .seals()
            .seal(Place::new(Column::Event, event.id.as_str()), &body)?;
        let title = self
            .seals()
            .seal_text(Place::new(Column::Title, incident.as_str()), title(event))?;
        let mut transaction = self.write(Durability::Full).await?;
        let known: Option<String> = sqlx::query_scalar("SELECT incident FROM events WHERE id = $1")
            .bind(event.id.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(known) = known {
            drop(transaction);
            return self.recorded(&IncidentId::new(known), false, true).await;
        }
        let new_incident = !exists(&mut transaction, &incident).await?;
        insert_event(&mut transaction, &incident, event, body).await?;
        upsert_incident(&mut transaction, &incident, event, title).await?;
        sqlx::query(
            "INSERT INTO signatures (service, signature, incident) VALUES ($1, $2, $3) \
             ON CONFLICT (service, signature) DO UPDATE SET incident = excluded.incident",
        )
        .bind(&event.service)
        .bind(&event.signature)
        .bind(incident.as_str())
        .execute(&mut *transaction)
        .await?;
        prune(&mut transaction, &incident).await?;
        transaction.commit().await?;
        self.recorded(&incident, new_incident, false).await
    }

    /// Counts occurrences that an agent did not capture again, on the incident of its earlier events with the same
    /// signature; `None` when there was no such event, and then nothing is counted.
    pub async fn record_repeats(
        &self,
        service: &str,
        signature: &str,
        count: u64,
        first: Timestamp,
        last: Timestamp,
    ) -> Result<Option<IncidentId>, StoreError> {
        let mut transaction = self.write(Durability::Process).await?;
        let incident: Option<String> = sqlx::query_scalar(
            "SELECT incident FROM signatures WHERE service = $1 AND signature = $2",
        )
        .bind(service)
        .bind(signature)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(incident) = incident else {
            return Ok(None);
        };
        sqlx::query(
            "UPDATE incidents SET count = count + $2, \
             first_seen = CASE WHEN $3 < first_seen THEN $3 ELSE first_seen END, \
             last_seen = CASE WHEN $4 > last_seen THEN $4 ELSE last_seen END WHERE id = $1",
        )
        .bind(&incident)
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .bind(first.as_microsecond())
        .bind(last.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(IncidentId::new(incident)))
    }

    /// One event.
    pub async fn event(&self, id: &EventId) -> Result<Option<Event>, StoreError> {
        let row: Option<(String, i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, sealed, body FROM events WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| read_event(self.seals(), row)).transpose()
    }

    /// The latest events of an incident, the newest first.
    pub async fn events_of(
        &self,
        incident: &IncidentId,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, sealed, body FROM events WHERE incident = $1 ORDER BY sequence DESC LIMIT $2",
        )
        .bind(incident.as_str())
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|row| read_event(self.seals(), row))
            .collect()
    }

    async fn recorded(
        &self,
        id: &IncidentId,
        new_incident: bool,
        duplicate: bool,
    ) -> Result<Recorded, StoreError> {
        let summary = self.incident(id).await?.ok_or_else(|| {
            StoreError::unreadable(
                format!("incident {id}"),
                "an event refers to it, but it is not there",
            )
        })?;
        Ok(Recorded {
            incident: summary.incident,
            new_incident,
            duplicate,
        })
    }
}

fn read_event(
    seals: &Seals,
    (id, sealed, body): (String, i64, Vec<u8>),
) -> Result<Event, StoreError> {
    let body = seals.open(Place::new(Column::Event, &id), sealed, body)?;
    serde_json::from_slice(&body).map_err(|error| StoreError::unreadable("an event", error))
}

async fn exists(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT count FROM incidents WHERE id = $1")
        .bind(incident.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

async fn insert_event(
    connection: &mut SqliteConnection,
    incident: &IncidentId,
    event: &Event,
    (sealed, body): (i64, Vec<u8>),
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO events (id, incident, sequence, received, sealed, body) VALUES ($1, $2, \
         (SELECT COALESCE(MAX(earlier.sequence), 0) + 1 FROM events AS earlier WHERE earlier.incident = $2), $3, $4, $5)",
    )
    .bind(event.id.as_str())
    .bind(incident.as_str())
    .bind(event.received.as_microsecond())
    .bind(sealed)
    .bind(body)
    .execute(connection)
    .await?;
    Ok(())
}

async fn upsert_incident(
    connection: &mut SqliteConnection,
    id: &IncidentId,
    event: &Event,
    (sealed, title): (i64, String),
) -> Result<(), StoreError> {
    let time = whole_microseconds(event.time).as_microsecond();
    sqlx::query(
        "INSERT INTO incidents (id, service, environment, fingerprint, title, culprit, route, first_seen, last_seen, count, sealed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1, $9) \
         ON CONFLICT (id) DO UPDATE SET count = incidents.count + 1, \
         first_seen = CASE WHEN excluded.first_seen < incidents.first_seen THEN excluded.first_seen ELSE incidents.first_seen END, \
         last_seen = CASE WHEN excluded.last_seen > incidents.last_seen THEN excluded.last_seen ELSE incidents.last_seen END",
    )
    .bind(id.as_str())
    .bind(&event.service)
    .bind(&event.environment)
    .bind(event.fingerprint.as_str())
    .bind(title)
    .bind(culprit(event))
    .bind(event.capsule.route())
    .bind(time)
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}

async fn prune(connection: &mut SqliteConnection, incident: &IncidentId) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM events WHERE incident = $1 \
         AND sequence < (SELECT MAX(latest.sequence) FROM events AS latest WHERE latest.incident = $1) \
         AND (sequence <= (SELECT MAX(latest.sequence) FROM events AS latest WHERE latest.incident = $1) - $2 \
              OR sequence IN (SELECT sized.sequence FROM (SELECT later.sequence AS sequence, \
                      SUM(LENGTH(later.body)) OVER (ORDER BY later.sequence DESC) AS bytes \
                  FROM events AS later WHERE later.incident = $1) AS sized WHERE sized.bytes > $3)) \
         AND NOT EXISTS (SELECT 1 FROM heals WHERE heals.source = events.id)",
    )
    .bind(incident.as_str())
    .bind(KEPT_EVENTS)
    .bind(KEPT_BYTES)
    .execute(connection)
    .await?;
    Ok(())
}

/// Error type and message on one line.
fn title(event: &Event) -> String {
    let Some(thrown) = event.capsule.thrown() else {
        return "failure without an exception".to_string();
    };
    let message = thrown
        .message
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if message.is_empty() {
        return thrown.qualified_type();
    }
    shorten(&format!("{}: {message}", thrown.qualified_type()), 200)
}

/// Function and file of the innermost frame of the program, the file below the working directory where it is there.
fn culprit(event: &Event) -> String {
    let capsule = &event.capsule;
    let Some(frame) = capsule
        .exceptions
        .iter()
        .find_map(|exception| exception.failing_frame())
    else {
        return "outside the program".to_string();
    };
    let file = std::path::Path::new(&frame.file);
    let file = file.strip_prefix(&capsule.process.cwd).unwrap_or(file);
    format!("{} in {}", frame.function, file.display())
}
