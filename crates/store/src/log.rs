//! The heal log: appending an entry together with the read model of its heal, and reading it back; not what the
//! entries mean, which is the fold in the domain.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use crate::seal::{Column, Place, Seals};
use crate::time::{from_column, whole_microseconds};
use homeostasis_domain::heal::{Entry, HealEvent, IllegalEvent, State};
use homeostasis_domain::{HealId, IncidentId, Outcome};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use thiserror::Error;

/// Why an entry was not appended. Nothing was changed.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Someone else appended first, or the number is wrong.
    #[error(
        "entry {number} of heal {heal} cannot be appended, the next one is {next}; load the log again"
    )]
    Conflict {
        /// Which heal.
        heal: HealId,
        /// The number that was given.
        number: u64,
        /// The number that would be right.
        next: u64,
    },
    /// The event cannot follow this log.
    #[error("heal {heal} does not take this entry")]
    Illegal {
        /// Which heal.
        heal: HealId,
        /// Why not.
        #[source]
        source: IllegalEvent,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AppendError {
    fn from(error: sqlx::Error) -> Self {
        AppendError::Store(error.into())
    }
}

impl Store {
    /// Appends the next entry of a heal; it is on disk when this returns.
    ///
    /// `number` must be one more than the last. The entry that comes back is exactly what [`Store::log`] will read
    /// (its time has whole microseconds), so fold that one, not the event that went in.
    pub async fn append(
        &self,
        heal: &HealId,
        number: u64,
        at: Timestamp,
        event: &HealEvent,
    ) -> Result<Entry, AppendError> {
        let text = serde_json::to_string(event)
            .map_err(|error| StoreError::unstorable("a heal event", error))?;
        // A number that is not finite would be written as null and make the whole log unreadable.
        let event: HealEvent = serde_json::from_str(&text)
            .map_err(|error| StoreError::unstorable("a heal event", error))?;
        let at = whole_microseconds(at);

        let mut transaction = self.write(Durability::Full).await?;
        let before = replay(&read_log(&mut transaction, self.seals(), heal).await?)?;
        let next = before.length + 1;
        if number != next {
            return Err(AppendError::Conflict {
                heal: heal.clone(),
                number,
                next,
            });
        }
        let state = before
            .apply(&event, at)
            .map_err(|source| AppendError::Illegal {
                heal: heal.clone(),
                source,
            })?;
        let place = Place::numbered(Column::HealEntry, heal.as_str(), number as i64);
        let (sealed, text) = self.seals().seal_text(place, text)?;
        sqlx::query(
            "INSERT INTO heal_log (heal, number, at, sealed, event) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(heal.as_str())
        .bind(number as i64)
        .bind(at.as_microsecond())
        .bind(sealed)
        .bind(text)
        .execute(&mut *transaction)
        .await?;
        write_read_model(&mut transaction, self.seals(), heal, &state, at).await?;
        transaction.commit().await?;
        Ok(Entry {
            heal: heal.clone(),
            number,
            at,
            event,
        })
    }

    /// The whole log of a heal, first entry first; empty when there is no such heal.
    pub async fn log(&self, heal: &HealId) -> Result<Vec<Entry>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        read_log(&mut connection, self.seals(), heal).await
    }

    /// Heals that are not closed, the oldest first.
    pub async fn unfinished(&self) -> Result<Vec<HealId>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM heals WHERE phase <> 'closed' ORDER BY opened, id")
                .fetch_all(self.readers())
                .await?;
        Ok(ids.into_iter().map(HealId::new).collect())
    }

    /// Heals of an incident, the oldest first.
    pub async fn heals_of(&self, incident: &IncidentId) -> Result<Vec<HealId>, StoreError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT id FROM heals WHERE incident = $1 ORDER BY ordinal")
                .bind(incident.as_str())
                .fetch_all(self.readers())
                .await?;
        Ok(ids.into_iter().map(HealId::new).collect())
    }

    /// Heals of an incident whose latest entry is at or after `since`, the oldest first, with how they ended.
    pub async fn heals_since(
        &self,
        incident: &IncidentId,
        since: Timestamp,
    ) -> Result<Vec<(HealId, Option<Outcome>)>, StoreError> {
        let rows: Vec<(String, i64, Option<String>)> = sqlx::query_as(
            "SELECT id, sealed, outcome FROM heals WHERE incident = $1 AND updated >= $2 ORDER BY ordinal",
        )
        .bind(incident.as_str())
        .bind(since.as_microsecond())
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .map(|(id, sealed, outcome)| {
                let outcome = read_outcome(self.seals(), &id, sealed, outcome)?;
                Ok((HealId::new(id), outcome))
            })
            .collect()
    }
}

/// The outcome in a column, if there is one.
pub(crate) fn read_outcome(
    seals: &Seals,
    heal: &str,
    sealed: i64,
    text: Option<String>,
) -> Result<Option<Outcome>, StoreError> {
    text.map(|text| {
        let text = seals.open_text(Place::new(Column::Outcome, heal), sealed, text)?;
        serde_json::from_str(&text).map_err(|error| StoreError::unreadable("an outcome", error))
    })
    .transpose()
}

async fn read_log(
    connection: &mut SqliteConnection,
    seals: &Seals,
    heal: &HealId,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "SELECT number, at, sealed, event FROM heal_log WHERE heal = $1 ORDER BY number",
    )
    .bind(heal.as_str())
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(number, at, sealed, text)| {
            let place = Place::numbered(Column::HealEntry, heal.as_str(), number);
            let text = seals.open_text(place, sealed, text)?;
            let event = serde_json::from_str(&text).map_err(|error| {
                StoreError::unreadable(format!("entry {number} of heal {heal}"), error)
            })?;
            Ok(Entry {
                heal: heal.clone(),
                number: number as u64,
                at: from_column(at)?,
                event,
            })
        })
        .collect()
}

fn replay(log: &[Entry]) -> Result<State, StoreError> {
    State::replay(log).map_err(|error| {
        let heal = log.first().map_or("", |entry| entry.heal.as_str());
        StoreError::unreadable(format!("the log of heal {heal}"), error)
    })
}

async fn write_read_model(
    connection: &mut SqliteConnection,
    seals: &Seals,
    heal: &HealId,
    state: &State,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (Some(incident), Some(source)) = (&state.incident, &state.source) else {
        return Err(StoreError::unstorable(
            format!("heal {heal}"),
            "its first entry names no incident",
        ));
    };
    let outcome = state
        .outcome()
        .map(serde_json::to_string)
        .transpose()
        .map_err(|error| StoreError::unstorable("an outcome", error))?
        .map(|text| seals.seal_text(Place::new(Column::Outcome, heal.as_str()), text))
        .transpose()?;
    let (sealed, outcome) = match outcome {
        Some((sealed, text)) => (sealed, Some(text)),
        None => (seals.current(), None),
    };
    let class = state
        .diagnosis
        .as_ref()
        .and_then(|diagnosis| diagnosis.hypotheses.first())
        .map(|hypothesis| hypothesis.class.as_str());
    sqlx::query(
        "INSERT INTO heals (id, incident, ordinal, source, length, phase, outcome, class, opened, updated, sealed) \
         VALUES ($1, $2, (SELECT COUNT(*) + 1 FROM heals AS earlier WHERE earlier.incident = $2), \
                 $3, $4, $5, $6, $7, $8, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET length = excluded.length, phase = excluded.phase, \
             outcome = excluded.outcome, class = excluded.class, updated = excluded.updated, sealed = excluded.sealed",
    )
    .bind(heal.as_str())
    .bind(incident.as_str())
    .bind(source.as_str())
    .bind(state.length as i64)
    .bind(state.phase.name())
    .bind(outcome)
    .bind(class)
    .bind(at.as_microsecond())
    .bind(sealed)
    .execute(connection)
    .await?;
    Ok(())
}
