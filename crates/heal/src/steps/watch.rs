//! Watch the canary, and the effect after promotion: measure, and let the pure judgements decide.

use super::Failure;
use crate::handle::Inner;
use homeostasis_domain::heal::{HealEvent, Phase, State};
use homeostasis_domain::rollout::Measurement;
use homeostasis_domain::{Event, IncidentId};
use homeostasis_rollout::{canary, effect, luck};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Requests that began on the old code may still end in the old failure this long after a swap.
const IN_FLIGHT: SignedDuration = SignedDuration::from_millis(1500);
/// A canary that is not connected for this long has gone away, not merely reconnected.
const ABSENCE: SignedDuration = SignedDuration::from_secs(3);

/// Since when a driver has been watching. Counts live in memory, so a watch that a restart interrupted begins anew.
#[derive(Default)]
pub(crate) struct Watch {
    phase: Option<&'static str>,
    since: Option<Timestamp>,
    absent: Option<Timestamp>,
}

impl Watch {
    fn since(&mut self, phase: &Phase) -> Timestamp {
        if self.phase != Some(phase.name()) {
            *self = Watch {
                phase: Some(phase.name()),
                since: Some(Timestamp::now()),
                absent: None,
            };
        }
        self.since.unwrap_or_else(Timestamp::now)
    }
}

pub(crate) async fn canary(
    inner: &Arc<Inner>,
    state: &State,
    watch: &mut Watch,
) -> Result<Option<HealEvent>, Failure> {
    let since = watch.since(&state.phase);
    let event = super::source(inner, state).await?;
    let Some(pid) = state.plan.as_ref().and_then(|plan| plan.canary) else {
        // Nothing has loaded the file: there is nothing to watch before the file itself is changed.
        return Ok(Some(HealEvent::CanaryPassed {
            measurement: Measurement::default(),
        }));
    };
    let now = Timestamp::now();
    if inner
        .agents
        .processes()
        .iter()
        .any(|process| process.pid == pid)
    {
        watch.absent = None;
    } else if now.duration_since(*watch.absent.get_or_insert(now)) > ABSENCE {
        return Ok(Some(HealEvent::CanaryLost {
            reason: format!("process {pid} ended"),
        }));
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
    let since = watch.since(&state.phase);
    let event = super::source(inner, state).await?;
    let measurement = measure(inner, state, &event, since, None).await?;
    Ok(match effect::decide(&measurement) {
        effect::Decision::KeepWatching => None,
        effect::Decision::Shown => Some(HealEvent::EffectShown { measurement }),
        effect::Decision::TakeBack(reason) => Some(rollback(reason)),
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
