//! Carrying one heal on: load, ask the state for the next step, perform it, append, again.

use crate::handle::{Healer, Inner, RecordError};
use crate::intake::chain;
use crate::steps;
use homeostasis_domain::HealId;
use homeostasis_domain::heal::{HealEvent, State, Step};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};

/// A watch looks at the counts at least this often.
const LOOK: Duration = Duration::from_millis(250);
/// When the store cannot be written (a full disk), this long until the next try.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Drives a heal in a task of its own, unless one does so already.
pub(crate) fn spawn(healer: &Healer, heal: HealId) {
    if !healer.inner.begin_driving(&heal) {
        return;
    }
    let healer = healer.clone();
    tokio::spawn(async move {
        let mut turn = Turn::default();
        loop {
            match advance(&healer.inner, &heal, &mut turn).await {
                Ok(Progress::Again) => {}
                Ok(Progress::Watch) => {
                    // Missed news only cost the length of one look.
                    let news = healer.inner.news.notified();
                    drop(tokio::time::timeout(LOOK, news).await);
                }
                Ok(Progress::Parked) => break,
                Err(error) => {
                    healer
                        .inner
                        .trouble(format!("heal {heal} waits: {}", chain(&error)));
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
        healer.inner.end_driving(&heal);
        // A command may have come between the last look and the line above.
        if healer
            .inner
            .state(&heal)
            .await
            .is_ok_and(|state| !is_parked(&state.next()))
        {
            spawn(&healer, heal);
        }
    });
}

enum Progress {
    Again,
    Watch,
    Parked,
}

/// What a driver holds while its heal needs it alone.
#[derive(Default)]
struct Turn {
    rollout: Option<Vec<OwnedMutexGuard<()>>>,
    trials: Option<OwnedSemaphorePermit>,
    /// When this driver began to watch; counts of an earlier process are gone with it.
    watch: steps::Watch,
}

impl Turn {
    /// Waits for what the step needs, and gives back what it does not.
    async fn prepare(&mut self, inner: &Inner, state: &State, step: &Step) {
        if !needs_trials(step) {
            self.trials = None;
        }
        if !needs_rollout(step) {
            self.rollout = None;
        }
        if needs_rollout(step) && self.rollout.is_none() {
            let files = state.chosen().map(|candidate| {
                candidate
                    .edits
                    .iter()
                    .map(|edit| edit.path.clone())
                    .collect()
            });
            self.rollout = Some(inner.lock_files(files.unwrap_or_default()).await);
        }
        if needs_trials(step) && self.trials.is_none() && steps::worth_trials(inner, state) {
            self.trials = inner.trials.clone().acquire_owned().await.ok();
        }
    }
}

async fn advance(
    inner: &Arc<Inner>,
    heal: &HealId,
    turn: &mut Turn,
) -> Result<Progress, RecordError> {
    let before = inner.state(heal).await?;
    let step = before.next();
    if is_parked(&step) {
        return Ok(Progress::Parked);
    }
    turn.prepare(inner, &before, &step).await;
    let _own = inner.lock_heal(heal).await;
    // While waiting for the turn a person may have decided otherwise.
    let state = inner.state(heal).await?;
    if state.next() != step {
        return Ok(Progress::Again);
    }
    if inner.is_stopped() && !state.touches_program() {
        // Stopped: what has not reached the program waits; what has is carried to a whole state.
        return Ok(Progress::Watch);
    }
    let event = match steps::perform(inner, heal, &state, &step, &mut turn.watch).await {
        Ok(Some(event)) => event,
        Ok(None) => return Ok(Progress::Watch),
        Err(error) => HealEvent::StepFailed {
            step: step.name().to_string(),
            error: chain(error.as_ref()),
        },
    };
    let failed = matches!(event, HealEvent::StepFailed { .. });
    let after = inner.record(heal, &state, event, "homeostasis").await?;
    steps::after(inner, heal, &after).await?;
    if failed {
        tokio::time::sleep(LOOK).await;
    }
    Ok(Progress::Again)
}

fn is_parked(step: &Step) -> bool {
    matches!(step, Step::AwaitApproval | Step::Done)
}

/// Work, as opposed to waiting for people, traffic, or nothing.
pub(crate) fn is_work(step: &Step) -> bool {
    !matches!(
        step,
        Step::AwaitApproval | Step::Done | Step::WatchCanary | Step::WatchEffect
    )
}

fn needs_trials(step: &Step) -> bool {
    matches!(
        step,
        Step::Reproduce | Step::Propose | Step::Try(_) | Step::Judge
    )
}

fn needs_rollout(step: &Step) -> bool {
    matches!(
        step,
        Step::Plan | Step::StartCanary | Step::WatchCanary | Step::Promote | Step::RollBack
    )
}

/// Whether the state's log is at its end.
pub(crate) fn is_closed(state: &State) -> bool {
    state.outcome().is_some()
}
