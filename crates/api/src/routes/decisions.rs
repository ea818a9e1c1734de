//! What people decide: approve, reject, roll back, run again, stop. Who decided is always named, for the audit log.

use crate::backend::Backend;
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use homeostasis_domain::{CheckName, EventId, HealId, IncidentId, Trial};
use serde::{Deserialize, Serialize};

const LONGEST_NAME: usize = 200;
const LONGEST_REASON: usize = 4_000;

/// Who decides, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    by: String,
    #[serde(default)]
    reason: String,
}

/// Whether healing is to be stopped, and who says so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    stopped: bool,
    by: String,
}

/// The heal that was decided on.
#[derive(Serialize)]
pub(crate) struct Decided {
    incident: IncidentId,
    heal: HealId,
}

/// What came of a capsule that was run again.
#[derive(Serialize)]
pub(crate) struct Replayed {
    incident: IncidentId,
    event: EventId,
    reproduced: bool,
    trial: Trial,
}

/// The switch as it is now.
#[derive(Serialize)]
pub(crate) struct Stopped {
    stopped: bool,
}

/// `POST /incidents/{id}/approve`
pub(crate) async fn approve<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    body: Result<Json<Decision>, JsonRejection>,
) -> Result<Json<Decided>, Problem> {
    let Decision { by, reason: _ } = checked(body)?;
    let incident = backend.store().resolve_incident(&id).await?;
    let heal = backend.approve(&incident, &by).await?;
    Ok(Json(Decided { incident, heal }))
}

/// `POST /incidents/{id}/reject`
pub(crate) async fn reject<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    body: Result<Json<Decision>, JsonRejection>,
) -> Result<Json<Decided>, Problem> {
    let Decision { by, reason } = checked(body)?;
    let incident = backend.store().resolve_incident(&id).await?;
    let heal = backend.reject(&incident, &by, &reason).await?;
    Ok(Json(Decided { incident, heal }))
}

/// `POST /incidents/{id}/rollback`
pub(crate) async fn rollback<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    body: Result<Json<Decision>, JsonRejection>,
) -> Result<Json<Decided>, Problem> {
    let Decision { by, reason } = checked(body)?;
    let incident = backend.store().resolve_incident(&id).await?;
    let heal = backend.rollback(&incident, &by, &reason).await?;
    Ok(Json(Decided { incident, heal }))
}

/// `POST /incidents/{id}/replay`
pub(crate) async fn replay<B: Backend>(
    State(backend): State<B>,
    Path(id): Path<String>,
    body: Result<Json<Decision>, JsonRejection>,
) -> Result<Json<Replayed>, Problem> {
    let Decision { by, reason: _ } = checked(body)?;
    let incident = backend.store().resolve_incident(&id).await?;
    let (event, trial) = backend.replay(&incident, &by).await?;
    Ok(Json(Replayed {
        incident,
        event,
        reproduced: trial.passed(CheckName::Reproduces),
        trial,
    }))
}

/// `POST /stop`
pub(crate) async fn stop<B: Backend>(
    State(backend): State<B>,
    body: Result<Json<Stop>, JsonRejection>,
) -> Result<Json<Stopped>, Problem> {
    let Json(Stop { stopped, by }) = body?;
    let by = name(&by)?;
    backend.stop(stopped, &by).await?;
    Ok(Json(Stopped { stopped }))
}

fn checked(body: Result<Json<Decision>, JsonRejection>) -> Result<Decision, Problem> {
    let Json(Decision { by, reason }) = body?;
    let reason = reason.trim();
    if reason.chars().count() > LONGEST_REASON {
        return Err(Problem::invalid(format!(
            "`reason` is longer than {LONGEST_REASON} characters"
        )));
    }
    Ok(Decision {
        by: name(&by)?,
        reason: match reason {
            "" => "no reason was given".to_string(),
            reason => reason.to_string(),
        },
    })
}

fn name(by: &str) -> Result<String, Problem> {
    let by = by.trim();
    if by.is_empty() || by.chars().count() > LONGEST_NAME || by.chars().any(char::is_control) {
        return Err(Problem::invalid(format!(
            "`by` must name who decides, in one line of at most {LONGEST_NAME} characters"
        )));
    }
    // The log would not tell a person of this name from Homeostasis itself.
    if by.eq_ignore_ascii_case("homeostasis") {
        return Err(Problem::invalid("`by` must name a person, not Homeostasis"));
    }
    Ok(by.to_string())
}
