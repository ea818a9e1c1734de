//! Incidents: the list, one of them, and everything that belongs to it. Ids may be given by their beginning.

use crate::backend::Backend;
use crate::explain::{self, Explanation};
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use homeostasis_domain::heal::State as HealState;
use homeostasis_domain::{CandidateId, Event, HealId, IncidentId, Safety};
use homeostasis_store::{IncidentSummary, ResolveError, Store};
use serde::{Deserialize, Serialize};

const MOST_EVENTS: u32 = 100;

/// One incident and its heals.
#[derive(Serialize)]
pub(crate) struct IncidentPage {
    #[serde(flatten)]
    summary: IncidentSummary,
    /// The oldest first.
    heals: Vec<HealId>,
}

/// The change that was chosen in the latest heal.
#[derive(Serialize)]
pub(crate) struct DiffPage {
    incident: IncidentId,
    heal: Option<HealId>,
    /// Where that heal stands.
    phase: String,
    candidate: Option<CandidateId>,
    title: Option<String>,
    safety: Option<Safety>,
    /// Unified diff; null when no change was chosen.
    diff: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    20
}

/// `GET /incidents`
pub(crate) async fn list<B: Backend>(
    State(backend): State<B>,
) -> Result<Json<Vec<IncidentSummary>>, Problem> {
    Ok(Json(backend.store().incidents().await?))
}

/// `GET /incidents/{id}`
pub(crate) async fn one<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
) -> Result<Json<IncidentPage>, Problem> {
    let summary = find(backend.store(), &id).await?;
    let heals = backend.store().heals_of(&summary.incident.id).await?;
    Ok(Json(IncidentPage { summary, heals }))
}

/// `GET /incidents/{id}/explain`
pub(crate) async fn explain<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    let store = backend.store();
    let summary = find(store, &id).await?;
    let mut logs = Vec::new();
    for heal in store.heals_of(&summary.incident.id).await? {
        logs.push(store.log(&heal).await?);
    }
    Ok(Json(explain::explain(summary, &logs)?))
}

/// `GET /incidents/{id}/diff`
pub(crate) async fn diff<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
) -> Result<Json<DiffPage>, Problem> {
    let store = backend.store();
    let summary = find(store, &id).await?;
    let state = match &summary.heal {
        Some(heal) => HealState::replay(&store.log(heal).await?)?,
        None => HealState::default(),
    };
    let chosen = state.chosen();
    Ok(Json(DiffPage {
        incident: summary.incident.id,
        heal: summary.heal,
        phase: summary.phase,
        candidate: chosen.map(|candidate| candidate.id.clone()),
        title: chosen.map(|candidate| candidate.title.clone()),
        safety: chosen.map(|candidate| candidate.safety),
        diff: chosen.map(|candidate| candidate.diff.clone()),
    }))
}

/// `GET /incidents/{id}/events?limit=20`
pub(crate) async fn events<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Json<Vec<Event>>, Problem> {
    let Query(EventsQuery { limit }) = query?;
    let incident = backend.store().resolve_incident(&id).await?;
    let events = backend
        .store()
        .events_of(&incident, limit.min(MOST_EVENTS))
        .await?;
    Ok(Json(events))
}

async fn find(store: &Store, prefix: &str) -> Result<IncidentSummary, Problem> {
    let id = store.resolve_incident(prefix).await?;
    match store.incident(&id).await? {
        Some(summary) => Ok(summary),
        None => Err(ResolveError::Unknown {
            prefix: prefix.to_string(),
        }
        .into()),
    }
}
