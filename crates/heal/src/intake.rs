//! From what comes in to incidents, counts and new heals.

use crate::counters::FirstSight;
use crate::handle::{Healer, Inner, lock};
use crate::notice::Notice;
use crate::{drive, steps, tidy, unplaced};
use homeostasis_domain::heal::{HealEvent, State, Step};
use homeostasis_domain::{
    CheckName, Event, Fingerprint, HealId, Incident, IncidentId, Outcome, Trial,
};
use homeostasis_ingest::agent::Incoming;
use homeostasis_policy::{Mode, guard};
use homeostasis_protocol::RepeatItem;
use jiff::{SignedDuration, Timestamp};
use std::time::Instant;
use tokio::sync::mpsc;

/// Failures this soon after a heal closed may still come from requests that began before it.
const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// An incident is examined with at most this many of its requests.
const MOST_REQUESTS: usize = 3;

/// Ends when nothing can come in any more.
pub(crate) async fn run(healer: Healer, mut incoming: mpsc::Receiver<Incoming>) {
    while let Some(message) = incoming.recv().await {
        if let Err(error) = take(&healer, message).await {
            healer.inner.trouble(format!(
                "something that came in could not be kept: {}",
                chain(error.as_ref())
            ));
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn take(healer: &Healer, message: Incoming) -> Result<(), Failure> {
    let inner = &healer.inner;
    match message {
        Incoming::Connected(hello) => {
            let pid = hello.pid;
            let known = {
                let mut hellos = inner.hellos();
                hellos.retain(|pid, _| std::path::Path::new(&format!("/proc/{pid}")).exists());
                hellos.insert(pid, hello);
                hellos.clone()
            };
            let roster = inner.roster().arrived(pid);
            inner.tell(Notice::Connected { pid });
            tokio::spawn(tidy::bring_up_to_date(healer.clone(), pid));
            inner.store.put_meta("hellos", &known).await?;
            inner.store.put_meta("roster", &roster).await?;
        }
        Incoming::Gone { pid } => inner.tell(Notice::Gone { pid }),
        Incoming::Refused { pid, reason } => {
            let who = pid
                .map(|pid| format!("process {pid}: "))
                .unwrap_or_default();
            inner.trouble(format!("{who}{reason}"));
        }
        Incoming::Traffic {
            pid,
            since,
            until,
            dropped,
            routes,
        } => {
            let service = &inner.config.service;
            if dropped > 0 {
                inner.trouble(format!("process {pid} had to drop {dropped} captured failures because its queue was full"));
            }
            let counts: Vec<(String, u64, u64)> = routes
                .into_iter()
                .map(|count| (count.route, count.requests, count.failed))
                .collect();
            for (route, requests, failed) in &counts {
                inner
                    .counters()
                    .traffic(pid, since, route.clone(), *requests, *failed);
            }
            inner
                .store
                .record_traffic(service, pid, since, until, &counts)
                .await?;
        }
        Incoming::Repeats { pid, items } => {
            let mut failed = None;
            for item in items {
                if let Err(error) = count(healer, pid, item).await {
                    failed = Some(error);
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Incoming::Event { pid, event } => take_event(healer, pid, *event).await?,
    }
    inner.news.notify_waiters();
    Ok(())
}

/// Counts failures on their incident; where that is not known, they wait for it.
async fn count(healer: &Healer, pid: u32, item: RepeatItem) -> Result<(), Failure> {
    let inner = &healer.inner;
    let waiting = lock(&inner.unplaced).take(&item.signature);
    let item = waiting.map_or(item.clone(), |waiting| unplaced::merged(&waiting, &item));
    let time = |seconds: f64| {
        Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap_or_else(|_| Timestamp::now())
    };
    let (first, last) = (time(item.first), time(item.last));
    let service = &inner.config.service;
    let recorded = inner
        .store
        .record_repeats(service, &item.signature, item.count, first, last)
        .await;
    match recorded {
        Ok(Some(incident)) => {
            inner
                .counters()
                .failure(pid, first, incident.clone(), item.count, None);
            reconsider(healer, &incident, last).await
        }
        Ok(None) => {
            keep_for_later(inner, item).await;
            Ok(())
        }
        Err(error) => {
            keep_for_later(inner, item).await;
            Err(error.into())
        }
    }
}

/// Keeps a count whose incident is not known, and has agents capture such failures whole again, to make it known.
async fn keep_for_later(inner: &Inner, item: RepeatItem) {
    if lock(&inner.unplaced).keep(item, Instant::now()) {
        inner.agents.rearm().await;
    }
}

async fn take_event(healer: &Healer, pid: u32, event: Event) -> Result<(), Failure> {
    let inner = &healer.inner;
    lock(&inner.witnesses).take(&event.witnesses);
    let (event, outdated) = recognise(inner, event).await?;
    let recorded = match inner.store.record_event(&event).await {
        Ok(recorded) => recorded,
        Err(error) => {
            keep_for_later(inner, one(&event)).await;
            return Err(error.into());
        }
    };
    if recorded.duplicate {
        return Ok(());
    }
    let waiting = lock(&inner.unplaced).take(&event.signature);
    if let Some(waiting) = waiting {
        count(healer, pid, waiting).await?;
    }
    let incident = recorded.incident;
    let first = recorded
        .new_incident
        .then(|| first_sight(&incident, &event));
    if !outdated {
        inner
            .counters()
            .failure(pid, event.time, incident.id.clone(), 1, first);
    }
    if recorded.new_incident {
        inner.tell(Notice::Incident {
            incident: Box::new(incident.clone()),
        });
    }
    consider_beside(healer, incident.id, event);
    Ok(())
}

/// A request that was under way when its function was swapped fails on the old code, while the agent reads the line's
/// text from the new one: a known failure looks like a new one. Where the text of another version of the file makes it
/// a known incident, it is that one; true beside it means that it says nothing about the new code.
async fn recognise(inner: &Inner, mut event: Event) -> Result<(Event, bool), Failure> {
    let known = async |fingerprint: &Fingerprint| {
        let id = IncidentId::of(&event.service, &event.environment, fingerprint);
        inner.store.incident(&id).await.map(|found| found.is_some())
    };
    if known(&event.fingerprint).await? {
        return Ok((event, false));
    }
    let Some(frame) = event
        .capsule
        .thrown()
        .and_then(|thrown| thrown.failing_frame())
    else {
        return Ok((event, false));
    };
    let versions = lock(&inner.versions).of(&frame.file);
    for version in versions {
        let mut capsule = event.capsule.clone();
        let frames = capsule
            .exceptions
            .first_mut()
            .map(|thrown| &mut thrown.frames);
        let Some(frame) =
            frames.and_then(|frames| frames.iter_mut().rev().find(|frame| frame.in_app))
        else {
            break;
        };
        let Some(text) = version.lines().nth(frame.line.saturating_sub(1) as usize) else {
            continue;
        };
        frame.text = text.trim().to_string();
        let fingerprint = homeostasis_ingest::group::fingerprint(&capsule);
        if known(&fingerprint).await? {
            event.capsule = capsule;
            event.fingerprint = fingerprint;
            return Ok((event, true));
        }
    }
    Ok((event, false))
}

/// An event as a count of one.
fn one(event: &Event) -> RepeatItem {
    let seconds = event.time.as_microsecond() as f64 / 1e6;
    RepeatItem {
        signature: event.signature.clone(),
        count: 1,
        first: seconds,
        last: seconds,
    }
}

fn first_sight(incident: &Incident, event: &Event) -> FirstSight {
    let frames = event
        .capsule
        .exceptions
        .iter()
        .flat_map(|exception| &exception.frames);
    let places = frames
        .filter(|frame| frame.in_app)
        .map(|frame| (frame.file.clone(), frame.function.clone()));
    FirstSight {
        title: format!("{} in {}", incident.title, incident.culprit),
        places: places.collect(),
    }
}

/// Counted occurrences carry no capsule; when they say that a healed incident is back, the latest capsule serves.
async fn reconsider(
    healer: &Healer,
    incident: &IncidentId,
    last: Timestamp,
) -> Result<(), Failure> {
    let healed = matches!(
        healer.inner.last_outcome(incident).await?,
        Some((_, Some(Outcome::Healed { .. })))
    );
    if !healed {
        return Ok(());
    }
    let latest = healer
        .inner
        .store
        .events_of(incident, 1)
        .await?
        .into_iter()
        .next();
    match latest {
        Some(mut event) => {
            event.time = last;
            consider_beside(healer, incident.clone(), event);
            Ok(())
        }
        None => Ok(()),
    }
}

/// Considers the incident in a task of its own: that may wait for the turn of a heal whose driver itself waits for what
/// comes in here.
fn consider_beside(healer: &Healer, incident: IncidentId, event: Event) {
    let healer = healer.clone();
    tokio::spawn(async move {
        if let Err(error) = consider(&healer, &incident, &event).await {
            healer.inner.trouble(format!(
                "an incident could not be considered: {}",
                chain(error.as_ref())
            ));
        }
    });
}

/// Opens a heal when there is reason to: a new incident; one that was healed and is back; one that could not be healed,
/// when its code has changed since.
async fn consider(healer: &Healer, incident: &IncidentId, event: &Event) -> Result<(), Failure> {
    let inner = &healer.inner;
    if inner.is_stopped() {
        return Ok(());
    }
    let number = match inner.last_outcome(incident).await? {
        None => 1,
        Some((heal, None)) => return renew(healer, heal).await,
        Some((heal, Some(outcome))) => {
            if !worth_another(inner, &heal, &outcome, event).await? {
                return Ok(());
            }
            inner.store.heals_of(incident).await?.len() as u32 + 1
        }
    };
    let heal = HealId::of(incident, number);
    let _turn = inner.lock_heal(&heal).await;
    if inner.state(&heal).await?.length > 0 {
        return Ok(());
    }
    let opened = HealEvent::Opened {
        incident: incident.clone(),
        source: event.id.clone(),
    };
    let state = inner
        .record(&heal, &State::default(), opened, "homeostasis")
        .await?;
    let since = Timestamp::now() - SignedDuration::from_hours(24);
    let recent = inner.store.heals_since(incident, since).await?;
    let outcomes: Vec<Option<Outcome>> = recent.into_iter().map(|(_, outcome)| outcome).collect();
    if let Some(reason) = guard(&outcomes) {
        inner
            .record(
                &heal,
                &state,
                HealEvent::Closed {
                    outcome: Outcome::Escalated { reason },
                },
                "homeostasis",
            )
            .await?;
        return Ok(());
    }
    drive::spawn(healer, heal.clone());
    Ok(())
}

/// A candidate that waits for a person only because no healthy request was known to try it with is tried again once there are some.
async fn renew(healer: &Healer, heal: HealId) -> Result<(), Failure> {
    let inner = &healer.inner;
    // A driver in the middle of a step holds the heal, and has nothing to be renewed.
    if !lacks_witnesses(inner, &inner.state(&heal).await?) {
        return Ok(());
    }
    let _turn = inner.lock_heal(&heal).await;
    let state = inner.state(&heal).await?;
    if !lacks_witnesses(inner, &state) {
        return Ok(());
    }
    let source = match &state.source {
        Some(source) => inner.store.event(source).await?,
        None => None,
    };
    let route = source.as_ref().and_then(|event| event.capsule.route());
    if route.is_none_or(|route| lock(&inner.witnesses).of(route).is_empty()) {
        return Ok(());
    }
    let again = HealEvent::Stale {
        reason: "healthy requests of its route are known now".to_string(),
    };
    let state = inner.record(&heal, &state, again, "homeostasis").await?;
    steps::after(inner, &heal, &state).await?;
    drive::spawn(healer, heal.clone());
    Ok(())
}

/// Does this heal wait for a person who need not be asked if there had been a healthy request to compare with?
pub(crate) fn lacks_witnesses(inner: &Inner, state: &State) -> bool {
    let had_none = |trial: &Trial| {
        let mut checks = trial.checks.iter();
        checks.any(|check| check.name == CheckName::Replay && check.detail["witnesses"] == 0)
    };
    inner.config.policy.mode == Mode::Auto
        && state.next() == Step::AwaitApproval
        && state.trials.iter().any(|trial| {
            trial.candidate.as_ref() == state.chosen().map(|chosen| &chosen.id) && had_none(trial)
        })
}

async fn worth_another(
    inner: &Inner,
    heal: &HealId,
    outcome: &Outcome,
    event: &Event,
) -> Result<bool, Failure> {
    let log = inner.store.log(heal).await?;
    let Some(closed) = log.last() else {
        return Ok(false);
    };
    match outcome {
        Outcome::Healed { .. } => Ok(event.time > closed.at + GRACE),
        Outcome::Escalated { .. } => Ok(false),
        Outcome::RolledBack { .. }
        | Outcome::Refused { .. }
        | Outcome::Abstained { .. }
        | Outcome::Lost { .. } => {
            let state = State::replay(&log)?;
            let source = match &state.source {
                Some(source) => inner.store.event(source).await?,
                None => None,
            };
            let Some(before) = source else {
                return Ok(false);
            };
            let other_request = was_answered_otherwise(&state)
                && request_of(&before) != request_of(event)
                && inner.store.heals_of(&heal.incident()).await?.len() < MOST_REQUESTS;
            let other_code = code_of(&before) != code_of(event);
            Ok((other_code || other_request) && event.time > closed.at)
        }
    }
}

/// Did a candidate cure the failure and answer its request in another way than it said it would? That may be for the
/// request alone: one that asks for what does not exist deserves its 404, and proves nothing.
pub(crate) fn was_answered_otherwise(state: &State) -> bool {
    let mut checks = state.trials.iter().flat_map(|trial| &trial.checks);
    checks.any(|check| check.name == CheckName::Heals && check.detail["code"] == "heals.answer")
}

/// What was asked for.
fn request_of(event: &Event) -> Option<(&str, &str, &str, &str)> {
    event.capsule.request.as_ref().map(|request| {
        (
            request.method.as_str(),
            request.path.as_str(),
            request.query.as_str(),
            request.body.data.as_str(),
        )
    })
}

/// Content hashes of the files that the failure passes through.
fn code_of(event: &Event) -> Vec<(&str, Option<&str>)> {
    let frames = event
        .capsule
        .exceptions
        .iter()
        .flat_map(|exception| &exception.frames);
    frames
        .filter(|frame| frame.in_app)
        .map(|frame| (frame.file.as_str(), frame.source_sha256.as_deref()))
        .collect()
}

/// An error with its sources, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
