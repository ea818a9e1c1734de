//! Plan, start, promote, take back: the rollout driver, with the heal's facts.
//!
//! Agents connect again by themselves after a restart of ours. Until they have, nothing is done: a rollout that found
//! nobody would write the file and leave every process on the other version.

use super::Failure;
use super::fleet::Connected;
use crate::handle::{Inner, lock};
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::rollout::RolloutPlan;
use homeostasis_domain::{Candidate, Event, HealId, IncidentId, Outcome, SwapId};
use homeostasis_rollout::drivers::swap::{self, PlanRefused};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// A program whose processes come and go all the time is not waited for any longer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// True while a living process is not connected that will most likely be back in a moment.
pub(crate) fn must_wait(inner: &Inner) -> bool {
    !inner.away().expected.is_empty()
}

/// A process in the middle of loading its modules runs nothing that is known, and refuses to be swapped; in a moment
/// that may be over. Every step may be repeated, so it is, for a while.
pub(crate) fn may_go_right(inner: &Inner, state: &State) -> bool {
    let begun = state.since.unwrap_or_else(Timestamp::now);
    inner.roster().may_be_loading() && Timestamp::now().duration_since(begun) < LONGEST_WAIT
}

pub(crate) async fn plan(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    if inner.connected().is_empty()
        && let Some(pid) = inner.away().lost.first()
    {
        return Err(format!("no process can be reached: process {pid} lives, and its agent does not come back; restart the program").into());
    }
    let candidate = state.chosen().ok_or("there is no chosen candidate")?;
    let event = super::source(inner, state).await?;
    let busiest = good_canaries(inner, &event).await?;
    let swap = SwapId::new(format!("{heal}-{}", state.lost_canaries));
    match swap::plan(&Connected(inner), swap, candidate, &busiest).await {
        Ok(plan) => {
            for edit in &candidate.edits {
                inner.store.put_blob(heal, edit.old_text.as_bytes()).await?;
                inner.store.put_blob(heal, edit.new_text.as_bytes()).await?;
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

/// Pids in the order in which they make good canaries: those that answered most of the route's requests lately, then
/// those that failed, which at least answer some; the counts of a young process may not have come yet.
async fn good_canaries(inner: &Inner, event: &Event) -> Result<Vec<u32>, Failure> {
    let mut pids = match event.capsule.route() {
        Some(route) => inner.counters().busiest(route),
        None => Vec::new(),
    };
    let incident = IncidentId::of(&event.service, &event.environment, &event.fingerprint);
    let latest = inner.store.events_of(&incident, 10).await?;
    pids.extend(latest.iter().map(|event| event.capsule.process.pid));
    pids.push(event.capsule.process.pid);
    Ok(pids)
}

pub(crate) async fn start(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    all_reached(inner, plan)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::start(&Connected(inner), plan, candidate).await?;
    inner.agents.rearm().await;
    Ok(HealEvent::CanaryStarted { processes })
}

pub(crate) async fn promote(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    all_reached(inner, plan)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::promote(&Connected(inner), plan, candidate).await?;
    Ok(HealEvent::Promoted { processes })
}

pub(crate) async fn take_back(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let (plan, candidate) = planned(state)?;
    lock(&inner.versions).take(&candidate.edits);
    let processes = swap::take_back(&Connected(inner), plan, candidate).await?;
    // Whoever can be reached is restored first; then it is told that somebody could not be.
    all_reached(inner, plan)?;
    Ok(HealEvent::RolledBack { processes })
}

/// An error when a process of the plan lives and cannot be reached, so that what it runs is out of our hands.
fn all_reached(inner: &Inner, plan: &RolloutPlan) -> Result<(), Failure> {
    let away = inner.away();
    let mut all = away.expected.iter().chain(&away.lost);
    match all.find(|pid| plan.processes.contains(pid)) {
        None => Ok(()),
        Some(pid) => {
            Err(format!("process {pid} lives, and its agent is not connected; restart it").into())
        }
    }
}

fn planned(state: &State) -> Result<(&RolloutPlan, &Candidate), Failure> {
    let plan = state.plan.as_ref().ok_or("the rollout has no plan")?;
    let candidate = state.chosen().ok_or("there is no chosen candidate")?;
    Ok((plan, candidate))
}
