//! Incidents with the state of their latest heal, as lists and pages show them; never more than the logs say.

use crate::error::StoreError;
use crate::log::read_outcome;
use crate::open::Store;
use crate::seal::{Column, Place, Seals};
use crate::time::from_column;
use homeostasis_domain::{FaultCode, Fingerprint, HealId, Incident, IncidentId, Outcome};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use thiserror::Error;

/// One incident with the state of its latest heal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// The incident.
    pub incident: Incident,
    /// Its latest heal.
    pub heal: Option<HealId>,
    /// Where that heal stands, by the stable names of the domain; `new` when there is none.
    pub phase: String,
    /// How that heal ended.
    pub outcome: Option<Outcome>,
    /// Class of the fault by the best hypothesis of that heal.
    pub class: Option<FaultCode>,
}

/// Why a short id names no incident.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// No incident begins so.
    #[error("no incident begins with \"{prefix}\"; `homeostasis incidents` lists them")]
    Unknown {
        /// What was asked for.
        prefix: String,
    },
    /// Several do.
    #[error("\"{prefix}\" is the beginning of several incidents ({}); type more of it", list(.matches))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Some of those that match.
        matches: Vec<IncidentId>,
    },
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SELECT_SUMMARY: &str = "SELECT incidents.id AS id, incidents.service AS service, \
     incidents.environment AS environment, incidents.fingerprint AS fingerprint, incidents.title AS title, \
     incidents.culprit AS culprit, incidents.route AS route, incidents.first_seen AS first_seen, \
     incidents.last_seen AS last_seen, incidents.count AS count, incidents.sealed AS sealed, heals.id AS heal, \
     heals.phase AS phase, heals.outcome AS outcome, heals.sealed AS outcome_sealed, heals.class AS class \
     FROM incidents LEFT JOIN heals ON heals.incident = incidents.id AND heals.ordinal = \
         (SELECT MAX(later.ordinal) FROM heals AS later WHERE later.incident = incidents.id)";

#[derive(FromRow)]
struct Row {
    id: String,
    service: String,
    environment: String,
    fingerprint: String,
    title: String,
    culprit: String,
    route: Option<String>,
    first_seen: i64,
    last_seen: i64,
    count: i64,
    sealed: i64,
    heal: Option<String>,
    phase: Option<String>,
    outcome: Option<String>,
    outcome_sealed: Option<i64>,
    class: Option<String>,
}

impl Store {
    /// All incidents, the one seen last first.
    pub async fn incidents(&self) -> Result<Vec<IncidentSummary>, StoreError> {
        let query = format!("{SELECT_SUMMARY} ORDER BY incidents.last_seen DESC, incidents.id");
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_all(self.readers())
            .await?;
        rows.into_iter()
            .map(|row| summary(self.seals(), row))
            .collect()
    }

    /// One incident.
    pub async fn incident(&self, id: &IncidentId) -> Result<Option<IncidentSummary>, StoreError> {
        let query = format!("{SELECT_SUMMARY} WHERE incidents.id = $1");
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(id.as_str())
            .fetch_optional(self.readers())
            .await?;
        row.map(|row| summary(self.seals(), row)).transpose()
    }

    /// The one incident whose id begins with `prefix`.
    pub async fn resolve_incident(&self, prefix: &str) -> Result<IncidentId, ResolveError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM incidents WHERE substr(id, 1, CAST($1 AS INTEGER)) = $2 ORDER BY id LIMIT 5",
        )
        .bind(prefix.chars().count() as i64)
        .bind(prefix)
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::from)?;
        let mut matches: Vec<IncidentId> = ids.into_iter().map(IncidentId::new).collect();
        let prefix = prefix.to_string();
        match matches.len() {
            0 => Err(ResolveError::Unknown { prefix }),
            1 => Ok(matches.remove(0)),
            _ => Err(ResolveError::Ambiguous { prefix, matches }),
        }
    }
}

fn summary(seals: &Seals, row: Row) -> Result<IncidentSummary, StoreError> {
    let Row {
        id,
        service,
        environment,
        fingerprint,
        title,
        culprit,
        route,
        first_seen,
        last_seen,
        count,
        sealed,
        heal,
        phase,
        outcome,
        outcome_sealed,
        class,
    } = row;
    let title = seals.open_text(Place::new(Column::Title, &id), sealed, title)?;
    let outcome_sealed = outcome_sealed.unwrap_or(0);
    let outcome = read_outcome(
        seals,
        heal.as_deref().unwrap_or_default(),
        outcome_sealed,
        outcome,
    )?;
    Ok(IncidentSummary {
        incident: Incident {
            id: IncidentId::new(id),
            service,
            environment,
            fingerprint: Fingerprint::new(fingerprint),
            title,
            culprit,
            route,
            first_seen: from_column(first_seen)?,
            last_seen: from_column(last_seen)?,
            count: count as u64,
        },
        heal: heal.map(HealId::new),
        phase: phase.unwrap_or_else(|| "new".to_string()),
        outcome,
        class: class.map(FaultCode::new),
    })
}

fn list(ids: &[IncidentId]) -> String {
    let ids: Vec<&str> = ids.iter().map(IncidentId::as_str).collect();
    ids.join(", ")
}
