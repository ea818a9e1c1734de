//! What the steps do: gather, decide, do. One file each, in the order in which they come.

mod diagnose;
mod fleet;
mod propose;
mod prove;
mod roll_out;
mod watch;

pub(crate) use prove::{Measured, SuiteBaseline, reproduced_by_itself, worth_trials};
pub(crate) use watch::Watch;

use crate::handle::{Inner, RecordError, lock};
use crate::{gather, snapshot, tidy};
use homeostasis_domain::heal::{HealEvent, Phase, State, Step};
use homeostasis_domain::{Event, HealId};
use std::sync::Arc;

/// What went wrong in a step, told in its message and sources.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Performs a step; `None` means that there is nothing to say yet (a watch).
pub(crate) async fn perform(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
    step: &Step,
    watch: &mut Watch,
) -> Result<Option<HealEvent>, Failure> {
    let reaches_out = matches!(
        step,
        Step::Plan | Step::StartCanary | Step::Promote | Step::RollBack
    );
    if reaches_out && roll_out::must_wait(inner) {
        return Ok(None);
    }
    let performed = attempt(inner, heal, state, step, watch).await;
    let went_wrong = matches!(performed, Err(_) | Ok(Some(HealEvent::Closed { .. })));
    if reaches_out && went_wrong && roll_out::may_go_right(inner, state) {
        return Ok(None);
    }
    performed
}

async fn attempt(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
    step: &Step,
    watch: &mut Watch,
) -> Result<Option<HealEvent>, Failure> {
    match step {
        Step::Diagnose => diagnose::perform(inner, state).await.map(Some),
        Step::Reproduce => prove::reproduce(inner, heal, state).await.map(Some),
        Step::Propose => propose::perform(inner, heal, state).await.map(Some),
        Step::Try(candidate) => prove::try_candidate(inner, heal, state, candidate)
            .await
            .map(Some),
        Step::Judge => prove::judge(inner, heal, state).await.map(Some),
        Step::Plan => roll_out::plan(inner, heal, state).await.map(Some),
        Step::StartCanary => roll_out::start(inner, state).await.map(Some),
        Step::WatchCanary => watch::canary(inner, state, watch).await,
        Step::Promote => roll_out::promote(inner, state).await.map(Some),
        Step::WatchEffect => watch::effect(inner, state, watch).await,
        Step::RollBack => roll_out::take_back(inner, state).await.map(Some),
        Step::Close(outcome) => Ok(Some(HealEvent::Closed {
            outcome: outcome.clone(),
        })),
        Step::AwaitApproval | Step::Done => Ok(None),
    }
}

/// What has to follow an event wherever it came from.
pub(crate) async fn after(inner: &Inner, heal: &HealId, state: &State) -> Result<(), RecordError> {
    if crate::drive::is_closed(state) || state.phase == Phase::Open {
        // A heal that begins again looks at the tree as it is now.
        snapshot::remove(&gather::snapshot_folder(inner, heal));
        lock(&inner.baselines).remove(heal);
    }
    let wants_another_request =
        crate::drive::is_closed(state) && crate::intake::was_answered_otherwise(state);
    if wants_another_request || crate::intake::lacks_witnesses(inner, state) {
        // Only an event brings requests, and the agents merely count such failures by now.
        inner.agents.rearm().await;
    }
    if state.is_live() || crate::drive::is_closed(state) {
        tidy::refresh_swaps(inner).await?;
    }
    Ok(())
}

/// The event whose capsule the heal works on.
async fn source(inner: &Inner, state: &State) -> Result<Event, Failure> {
    let id = state
        .source
        .as_ref()
        .ok_or("the heal has no source event")?;
    let event = inner.store.event(id).await?;
    event.ok_or_else(|| format!("event {id} is no longer in the store").into())
}

/// What the audit log keeps of an event: who did what to which file, not the whole texts.
pub(crate) fn audit_detail(event: &HealEvent) -> serde_json::Value {
    use serde_json::json;
    match event {
        HealEvent::Opened { incident, source } => json!({ "incident": incident, "event": source }),
        HealEvent::Diagnosed { diagnosis } => {
            json!({ "hypotheses": diagnosis.hypotheses.iter().map(|h| json!({"class": h.class, "summary": h.summary})).collect::<Vec<_>>() })
        }
        HealEvent::Reproduced { trial } | HealEvent::Tried { trial } => {
            json!({ "candidate": trial.candidate, "checks": trial.checks.iter().map(|c| json!([c.name, c.status])).collect::<Vec<_>>() })
        }
        HealEvent::Proposed {
            candidates,
            declined,
        } => {
            json!({ "candidates": candidates.iter().map(|c| json!({"id": c.id, "title": c.title, "diff": c.diff})).collect::<Vec<_>>(), "declined": declined })
        }
        HealEvent::Judged {
            verdict,
            decision,
            policy,
        } => {
            json!({ "chosen": verdict.chosen, "summary": verdict.summary, "decision": decision, "policy": policy })
        }
        HealEvent::Approved { by } => json!({ "by": by }),
        HealEvent::Rejected { by, reason } | HealEvent::RollbackAsked { by, reason } => {
            json!({ "by": by, "reason": reason })
        }
        HealEvent::Stale { reason } | HealEvent::CanaryLost { reason } => {
            json!({ "reason": reason })
        }
        HealEvent::Planned { plan } => json!(plan),
        HealEvent::CanaryStarted { processes }
        | HealEvent::Promoted { processes }
        | HealEvent::RolledBack { processes } => {
            json!({ "processes": processes })
        }
        HealEvent::CanaryPassed { measurement } | HealEvent::EffectShown { measurement } => {
            json!(measurement)
        }
        HealEvent::StepFailed { step, error } => json!({ "step": step, "error": error }),
        HealEvent::Closed { outcome } => json!(outcome),
    }
}
