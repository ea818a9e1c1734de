//! Follows the incidents through the API of the running Homeostasis until there is nothing left to wait for.

use super::matching::bug_of;
use super::model::{Duty, Model};
use super::program::Program;
use super::traffic::Traffic;
use crate::folder::Server;
use crate::printing::say;
use anyhow::{Context, Result};
use homeostasis_domain::{IncidentId, Outcome};
use homeostasis_store::IncidentSummary;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(500);
const PAUSE_BETWEEN_LINES: Duration = Duration::from_secs(10);
/// The API may be slow on a busy machine, but not for longer.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// When every incident is closed and a bug is still not healed, it may open again for this long.
const GRACE: Duration = Duration::from_secs(10);

/// An incident as it was seen last.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) summary: IncidentSummary,
    /// The bug that it is; none when the model does not know it.
    pub(super) bug: Option<String>,
    /// When it was first seen with its present outcome.
    pub(super) closed: Option<Timestamp>,
}

/// What is left to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Heals are under way, or bugs have not shown themselves yet.
    Busy,
    /// Every incident is closed, but not every bug that must be healed is healed.
    Resting,
    /// Every bug that must be healed is healed, and every other incident is closed.
    Done,
}

/// The API of the running Homeostasis.
pub(super) struct Api {
    http: reqwest::Client,
    server: Server,
}

impl Api {
    pub(super) fn new(server: Server) -> Result<Api> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Api { http, server })
    }

    async fn incidents(&self) -> Result<Vec<IncidentSummary>> {
        let url = format!("{}/api/v1/incidents", self.server.url);
        let response = self
            .http
            .get(url)
            .bearer_auth(&self.server.token)
            .send()
            .await?
            .error_for_status()?;
        Ok(response.json().await?)
    }
}

/// Follows the incidents until all is done or the time is over; tells in between how things stand.
pub(super) async fn follow(
    api: &Api,
    model: &Model,
    program: &mut Program,
    traffic: &Traffic,
    began: Instant,
    longest: Duration,
) -> Result<Vec<Sighting>> {
    let mut sightings = BTreeMap::new();
    let (mut heard, mut told) = (Instant::now(), Instant::now());
    let mut resting = None;
    let end = Instant::now() + longest;
    loop {
        program.check_running()?;
        match api.incidents().await {
            Ok(incidents) => {
                heard = Instant::now();
                look(&mut sightings, model, incidents, Timestamp::now());
            }
            Err(error) if heard.elapsed() > LONGEST_SILENCE => {
                return Err(error).context("Homeostasis does not answer any more");
            }
            // Asked again in a moment.
            Err(_) => {}
        }
        let progress = progress(model, sightings.values());
        resting = match progress {
            Progress::Resting => resting.or(Some(Instant::now())),
            Progress::Busy | Progress::Done => None,
        };
        let rested = resting.is_some_and(|since: Instant| since.elapsed() >= GRACE);
        if progress == Progress::Done || rested || Instant::now() >= end {
            return Ok(sightings.into_values().collect());
        }
        if told.elapsed() >= PAUSE_BETWEEN_LINES {
            told = Instant::now();
            say(&format!(
                "{:>5.1} s  {}",
                began.elapsed().as_secs_f64(),
                standing(sightings.values(), traffic)
            ));
        }
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
}

/// Takes in what the API told.
fn look(
    sightings: &mut BTreeMap<IncidentId, Sighting>,
    model: &Model,
    incidents: Vec<IncidentSummary>,
    now: Timestamp,
) {
    for summary in incidents {
        let earlier = sightings.get(&summary.incident.id);
        let same_outcome = earlier.filter(|earlier| earlier.summary.outcome == summary.outcome);
        let closed = summary.outcome.as_ref().map(|_| {
            same_outcome
                .and_then(|earlier| earlier.closed)
                .unwrap_or(now)
        });
        let bug = bug_of(model, &summary.incident).map(|bug| bug.id.clone());
        sightings.insert(
            summary.incident.id.clone(),
            Sighting {
                summary,
                bug,
                closed,
            },
        );
    }
}

fn progress<'a>(model: &Model, sightings: impl Iterator<Item = &'a Sighting> + Clone) -> Progress {
    let all_closed = sightings
        .clone()
        .all(|sighting| sighting.summary.outcome.is_some());
    let of = |id: &str| {
        let id = id.to_string();
        sightings
            .clone()
            .filter(move |sighting| sighting.bug.as_ref() == Some(&id))
    };
    let all_seen = model.bugs.iter().all(|bug| of(&bug.id).next().is_some());
    if !all_closed || !all_seen {
        return Progress::Busy;
    }
    let healed = |id: &str| {
        of(id).any(|sighting| matches!(sighting.summary.outcome, Some(Outcome::Healed { .. })))
    };
    let all_healed = model
        .bugs
        .iter()
        .all(|bug| matches!(bug.duty, Duty::Refuse) || healed(&bug.id));
    if all_healed {
        Progress::Done
    } else {
        Progress::Resting
    }
}

fn standing<'a>(sightings: impl Iterator<Item = &'a Sighting>, traffic: &Traffic) -> String {
    let (mut healed, mut otherwise, mut open) = (0, 0, 0);
    for sighting in sightings {
        match sighting.summary.outcome {
            Some(Outcome::Healed { .. }) => healed += 1,
            Some(_) => otherwise += 1,
            None => open += 1,
        }
    }
    let tally = traffic.tally();
    format!(
        "--- {} healthy requests served, {} failed by the healing · incidents: {healed} healed, {otherwise} closed otherwise, {open} in work",
        tally.healthy.as_expected,
        tally.failed_by_healing()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn model() -> Model {
        let bug = |id: &str, rest: &str| {
            format!(
                r#"
                [[bug]]
                id = "{id}"
                class = "data.missing_key"
                why = "x"
                request = {{ method = "GET", path = "/" }}
                sick = {{ status = 500, exception = "KeyError", file = "a.py", function = "{id}" }}
                {rest}
                "#
            )
        };
        let bugs = bug("cure", "must = \"heal\"\nexpect = { status = [200] }")
            + &bug("keep", "must = \"refuse\"");
        let healthy = r#"
            [[healthy]]
            id = "look"
            weight = 1
            request = { method = "GET", path = "/" }
            expect = { status = [200] }
        "#;
        Model::read(&bugs, healthy).unwrap()
    }

    fn summary(function: &str, outcome: Value) -> IncidentSummary {
        serde_json::from_value(json!({
            "incident": {
                "id": function, "service": "s", "environment": "e", "fingerprint": "f", "title": "KeyError: 'x'",
                "culprit": format!("{function} in a.py"), "route": null, "first_seen": "2026-01-01T00:00:00Z",
                "last_seen": "2026-01-01T00:00:00Z", "count": 1,
            },
            "heal": null, "phase": "open", "outcome": outcome, "class": null,
        }))
        .unwrap()
    }

    fn healed() -> Value {
        json!({ "outcome": "healed", "evidence": "e" })
    }

    fn refused() -> Value {
        json!({ "outcome": "refused", "reason": "r" })
    }

    fn progress_of(incidents: Vec<IncidentSummary>) -> Progress {
        let mut sightings = BTreeMap::new();
        look(&mut sightings, &model(), incidents, Timestamp::UNIX_EPOCH);
        progress(&model(), sightings.values())
    }

    #[test]
    fn it_is_done_when_what_must_be_healed_is_healed_and_the_rest_is_closed() {
        assert_eq!(progress_of(vec![summary("cure", healed())]), Progress::Busy);
        assert_eq!(
            progress_of(vec![
                summary("cure", healed()),
                summary("keep", Value::Null)
            ]),
            Progress::Busy
        );
        assert_eq!(
            progress_of(vec![summary("cure", refused()), summary("keep", refused())]),
            Progress::Resting
        );
        assert_eq!(
            progress_of(vec![summary("cure", healed()), summary("keep", refused())]),
            Progress::Done
        );
    }

    #[test]
    fn an_open_incident_that_the_model_does_not_know_is_waited_for_too() {
        let unknown = summary("other", Value::Null);
        assert_eq!(
            progress_of(vec![
                summary("cure", healed()),
                summary("keep", refused()),
                unknown
            ]),
            Progress::Busy
        );
    }

    #[test]
    fn the_time_of_closing_is_kept_until_the_incident_opens_again() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut sightings = BTreeMap::new();
        let mut closed = |outcome: Value, now: i64| {
            look(
                &mut sightings,
                &model(),
                vec![summary("cure", outcome)],
                at(now),
            );
            sightings.values().next().unwrap().closed
        };
        assert_eq!(closed(Value::Null, 1), None);
        assert_eq!(closed(healed(), 2), Some(at(2)));
        assert_eq!(closed(healed(), 3), Some(at(2)));
        assert_eq!(closed(Value::Null, 4), None);
        assert_eq!(closed(healed(), 5), Some(at(5)));
    }
}
