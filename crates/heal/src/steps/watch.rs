//! Watch the canary, and the effect after promotion: measure, and let the pure judgements decide.

use super::Failure;
use crate::handle::Inner;
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::rollout::Measurement;
use homeostasis_domain::{Event, IncidentId};
use homeostasis_rollout::{canary, effect, luck};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Requests that began on the old code may still end in the old failure this long after a swap.
const IN_FLIGHT: SignedDuration = SignedDuration::from_millis(1500);
/// Since when a driver has been watching which phase. Counts live in memory, so a watch that a restart interrupted
/// begins anew; and so does the watch of the next canary, which is another phase with the same name.
#[derive(Default)]
pub(crate) struct Watch {
    watched: Option<(Option<Timestamp>, Timestamp)>,
}

impl Watch {
    fn since(&mut self, state: &State) -> Timestamp {
        match self.watched {
            Some((phase, since)) if phase == state.since => since,
            _ => {
                let now = Timestamp::now();
                self.watched = Some((state.since, now));
                now
            }
        }
    }
}

pub(crate) async fn canary(
    inner: &Arc<Inner>,
    state: &State,
    watch: &mut Watch,
) -> Result<Option<HealEvent>, Failure> {
    let since = watch.since(state);
    let event = super::source(inner, state).await?;
    let Some(pid) = state.plan.as_ref().and_then(|plan| plan.canary) else {
        // Nothing has loaded the file: there is nothing to watch before the file itself is changed.
        return Ok(Some(HealEvent::CanaryPassed {
            measurement: Measurement::default(),
        }));
    };
    if !inner.connected().contains(&pid) {
        return Ok(absent_canary(inner, pid));
    }
    let measurement = measure(inner, state, &event, since, Some(&[pid])).await?;
    let decision = canary::decide(&measurement, &canary::Limits::default());
    Ok(match decision {
        canary::Decision::KeepWatching => None,
        canary::Decision::Promote => Some(HealEvent::CanaryPassed { measurement }),
        canary::Decision::TakeBack(reason) => Some(rollback(reason)),
    })
}

pub(crate) async fn effect(
    inner: &Arc<Inner>,
    state: &State,
    watch: &mut Watch,
) -> Result<Option<HealEvent>, Failure> {
    let since = watch.since(state);
    let event = super::source(inner, state).await?;
    let measurement = measure(inner, state, &event, since, None).await?;
    Ok(match effect::decide(&measurement) {
        effect::Decision::KeepWatching => None,
        effect::Decision::Shown => Some(HealEvent::EffectShown { measurement }),
        effect::Decision::TakeBack(reason) => Some(rollback(reason)),
    })
}

/// A canary that is not connected has ended, or is away for a moment, or lives on with the new code and out of reach.
fn absent_canary(inner: &Inner, pid: u32) -> Option<HealEvent> {
    let away = inner.away();
    if away.expected.contains(&pid) {
        return None;
    }
    Some(if away.lost.contains(&pid) {
        rollback(format!(
            "the canary, process {pid}, lives, and its agent does not come back"
        ))
    } else {
        HealEvent::CanaryLost {
            reason: format!("process {pid} ended"),
        }
    })
}

fn rollback(reason: String) -> HealEvent {
    HealEvent::RollbackAsked {
        by: "homeostasis".to_string(),
        reason,
    }
}

async fn measure(
    inner: &Inner,
    state: &State,
    event: &Event,
    since: Timestamp,
    pids: Option<&[u32]>,
) -> Result<Measurement, Failure> {
    let incident = state.incident.clone().ok_or("the heal has no incident")?;
    let begin = since + IN_FLIGHT;
    let route = event.capsule.route().unwrap_or_default().to_string();
    let rate = failure_rate_before(inner, &incident, &route, state.since.unwrap_or(since)).await?;
    let places = edited_places(state, event);
    let counters = inner.counters();
    let (requests, failed) = counters.requests(&route, begin, pids);
    let recurrences = counters.recurrences(&incident, begin, pids);
    Ok(Measurement {
        requests,
        failed,
        recurrences,
        new_failures: counters.new_failures(&places, begin, pids),
        seconds: Timestamp::now()
            .duration_since(begin)
            .as_secs_f64()
            .max(0.0),
        failure_rate_before: rate,
        chance_by_luck: luck::chance(recurrences, requests, rate),
    })
}

/// Occurrences of the incident as a share of the route's requests, from its first sight until this phase began, taken
/// cautiously.
async fn failure_rate_before(
    inner: &Inner,
    incident: &IncidentId,
    route: &str,
    until: Timestamp,
) -> Result<f64, Failure> {
    let Some(summary) = inner.store.incident(incident).await? else {
        return Err(format!("incident {incident} is no longer in the store").into());
    };
    let first = summary.incident.first_seen - SignedDuration::from_secs(10);
    let service = &inner.config.service;
    let (all, _) = inner.store.traffic(service, route, first).await?;
    let (since, _) = inner.store.traffic(service, route, until).await?;
    Ok(luck::cautious_rate(
        summary.incident.count,
        all.saturating_sub(since),
    ))
}

/// The functions of the edited files that the failure passed through.
fn edited_places(state: &State, event: &Event) -> Vec<(String, String)> {
    let edited: Vec<&str> = state
        .plan
        .iter()
        .flat_map(|plan| plan.files.iter().map(|file| file.path.as_str()))
        .collect();
    let frames = event
        .capsule
        .exceptions
        .iter()
        .flat_map(|exception| &exception.frames);
    let within = frames.filter(|frame| frame.in_app && edited.contains(&frame.file.as_str()));
    within
        .map(|frame| (frame.file.clone(), frame.function.clone()))
        .collect()
}
