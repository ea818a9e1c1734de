//! Plan, start, promote, take back: the rollout driver, with the heal's facts.

use super::Failure;
use super::fleet::Connected;
use crate::handle::{Inner, lock};
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::rollout::RolloutPlan;
use homeostasis_domain::{Candidate, HealId, Outcome, SwapId};
use homeostasis_rollout::drivers::swap::{self, PlanRefused};
use std::sync::Arc;

pub(crate) async fn plan(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    let candidate = state.chosen().ok_or("there is no chosen candidate")?;
    let event = super::source(inner, state).await?;
    let busiest = event
        .capsule
        .route()
        .map(|route| inner.counters().busiest(route))
        .unwrap_or_default();
    let swap = SwapId::new(format!("{heal}-{}", state.lost_canaries));
    match swap::plan(&Connected(&inner.agents), swap, candidate, &busiest).await {
        Ok(plan) => {
            for edit in &candidate.edits {
                inner.store.put_blob(edit.old_text.as_bytes()).await?;
                inner.store.put_blob(edit.new_text.as_bytes()).await?;
            }
            Ok(HealEvent::Planned { plan })
        }
        Err(PlanRefused::Stale { path }) => Ok(HealEvent::Stale {
            reason: format!("{path} was changed"),
        }),
        Err(error @ (PlanRefused::UnknownCode { .. } | PlanRefused::File(_))) => {
            let reason = crate::intake::chain(&error);
            Ok(HealEvent::Closed {
                outcome: Outcome::Refused { reason },
            })
        }
        Err(error @ PlanRefused::Unreachable { .. }) => Err(error.into()),
    }
}

pub(crate) async fn start(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::start(&Connected(&inner.agents), plan, candidate).await?;
    inner.agents.rearm().await;
    Ok(HealEvent::CanaryStarted { processes })
}

pub(crate) async fn promote(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::promote(&Connected(&inner.agents), plan, candidate).await?;
    Ok(HealEvent::Promoted { processes })
}

pub(crate) async fn take_back(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::take_back(&Connected(&inner.agents), plan, candidate).await?;
    Ok(HealEvent::RolledBack { processes })
}

fn planned(state: &State) -> Result<(&RolloutPlan, &Candidate), Failure> {
    let plan = state.plan.as_ref().ok_or("the rollout has no plan")?;
    let candidate = state.chosen().ok_or("there is no chosen candidate")?;
    Ok((plan, candidate))
}
