//! What came of the demo: each bug judged, a table, a summary in sentences, and one object for machines. Pure.

use super::check::Final;
use super::model::{Bug, Duty, Model};
use super::patient::Patient;
use super::traffic::Tally;
use super::watch::Sighting;
use homeostasis_domain::Outcome;
use homeostasis_domain::value::shorten;
use serde::Serialize;
use std::collections::BTreeMap;

const LONGEST_EVIDENCE: usize = 100;
const LONGEST_NAME: usize = 48;

/// Everything that was found.
pub(super) struct Findings {
    pub(super) patient: Patient,
    pub(super) clients: usize,
    pub(super) seconds: f64,
    pub(super) requests: u64,
    pub(super) tally: Tally,
    pub(super) sightings: Vec<Sighting>,
    pub(super) finals: BTreeMap<String, Final>,
    pub(super) audit_whole: bool,
}

/// How Homeostasis did on one bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Healed, as it must be, and shown by the last look.
    Healed,
    /// Left to a person, as it must be, and still failing as before.
    Refused,
    /// Must be healed and was not, or not in time.
    Missed,
    /// Must be refused, still fails as before, and was not decided on in time.
    Undecided,
    /// Something was done that must not be; what.
    Wrong(String),
}

/// The last line with `--json`.
#[derive(Serialize)]
pub(super) struct Figures {
    patient: &'static str,
    clients: usize,
    healed: usize,
    refused: usize,
    wrong: usize,
    missed: usize,
    undecided: usize,
    requests: u64,
    requests_failed_by_healing: u64,
    healthy_requests_failed: u64,
    connections_lost: u64,
    requests_answered_otherwise: u64,
    seconds: f64,
    median_seconds_to_heal: Option<f64>,
    incidents: usize,
    /// Bugs whose fault class was told as the model has it.
    classified: usize,
    audit_whole: bool,
}

impl Findings {
    /// How Homeostasis did on each bug of the model.
    pub(super) fn marks<'a>(&self, model: &'a Model) -> Vec<(&'a Bug, Mark)> {
        let mark = |bug: &'a Bug| {
            let outcomes: Vec<Option<&Outcome>> = self
                .sightings
                .iter()
                .filter(|sighting| sighting.bug.as_ref() == Some(&bug.id))
                .map(|sighting| sighting.summary.outcome.as_ref())
                .collect();
            (bug, mark(bug, &outcomes, self.finals.get(&bug.id)))
        };
        model.bugs.iter().map(mark).collect()
    }

    /// The figures.
    pub(super) fn figures(&self, marks: &[(&Bug, Mark)]) -> Figures {
        let count =
            |wanted: fn(&Mark) -> bool| marks.iter().filter(|(_, mark)| wanted(mark)).count();
        Figures {
            patient: self.patient.name(),
            clients: self.clients,
            healed: count(|mark| *mark == Mark::Healed),
            refused: count(|mark| *mark == Mark::Refused),
            wrong: count(|mark| matches!(mark, Mark::Wrong(_))),
            missed: count(|mark| *mark == Mark::Missed),
            undecided: count(|mark| *mark == Mark::Undecided),
            requests: self.requests,
            requests_failed_by_healing: self.tally.failed_by_healing(),
            healthy_requests_failed: self.tally.healthy_failed(),
            connections_lost: self.tally.connections_lost(),
            requests_answered_otherwise: self.tally.answered_otherwise(),
            seconds: tenth(self.seconds),
            median_seconds_to_heal: median(
                self.sightings.iter().filter_map(seconds_to_heal).collect(),
            )
            .map(tenth),
            incidents: self.sightings.len(),
            classified: marks.iter().filter(|(bug, _)| self.classified(bug)).count(),
            audit_whole: self.audit_whole,
        }
    }

    fn classified(&self, bug: &Bug) -> bool {
        self.sightings
            .iter()
            .filter(|sighting| sighting.bug.as_ref() == Some(&bug.id))
            .filter_map(|sighting| sighting.summary.class.as_ref())
            .any(|class| class.as_str() == bug.class)
    }

    /// One line for each incident, in the order in which they showed themselves.
    pub(super) fn table(&self) -> Vec<String> {
        let mut sightings: Vec<&Sighting> = self.sightings.iter().collect();
        sightings.sort_by(|a, b| {
            a.summary
                .incident
                .first_seen
                .cmp(&b.summary.incident.first_seen)
        });
        let mut rows = vec![
            [
                "INCIDENT",
                "CLASS",
                "BUG",
                "TO HEALED",
                "OUTCOME",
                "EVIDENCE",
            ]
            .map(str::to_string),
        ];
        rows.extend(sightings.into_iter().map(|sighting| {
            let summary = &sighting.summary;
            let time = seconds_to_heal(sighting)
                .map(|seconds| format!("{seconds:.1} s"))
                .unwrap_or_default();
            [
                summary.incident.id.to_string(),
                summary
                    .class
                    .as_ref()
                    .map_or("-", |class| class.as_str())
                    .to_string(),
                sighting.bug.clone().unwrap_or_else(|| {
                    shorten(
                        &format!("(not in the model) {}", summary.incident.title),
                        LONGEST_NAME,
                    )
                }),
                time,
                summary
                    .outcome
                    .as_ref()
                    .map_or("in work", Outcome::name)
                    .replace('_', " "),
                summary
                    .outcome
                    .as_ref()
                    .map(|outcome| shorten(outcome.reason(), LONGEST_EVIDENCE))
                    .unwrap_or_default(),
            ]
        }));
        aligned(&rows)
    }

    /// What it means, in sentences.
    pub(super) fn sentences(&self, marks: &[(&Bug, Mark)]) -> Vec<String> {
        let figures = self.figures(marks);
        let (to_heal, to_refuse): (Vec<_>, Vec<_>) = marks
            .iter()
            .partition(|(bug, _)| matches!(bug.duty, Duty::Heal(_)));
        let mut lines = vec![
            format!(
                "Healed under the traffic of {} clients, and answering as the model says: {} of {} bugs that must be.",
                self.clients,
                figures.healed,
                to_heal.len()
            ),
            format!(
                "Left to a person, and still failing as before: {} of {} that must be.",
                figures.refused,
                to_refuse.len()
            ),
        ];
        let names = |wanted: fn(&Mark) -> bool| {
            let ids: Vec<&str> = marks
                .iter()
                .filter(|(_, mark)| wanted(mark))
                .map(|(bug, _)| bug.id.as_str())
                .collect();
            ids.join(", ")
        };
        lines.push(format!(
            "The class of the fault was told as the model has it for {} of {} bugs.",
            figures.classified,
            marks.len()
        ));
        if figures.missed > 0 {
            lines.push(format!(
                "Not healed: {}.",
                names(|mark| *mark == Mark::Missed)
            ));
        }
        if figures.undecided > 0 {
            lines.push(format!(
                "Not decided in time: {}.",
                names(|mark| *mark == Mark::Undecided)
            ));
        }
        if figures.wrong == 0 {
            lines.push("Nothing was healed wrongly.".to_string());
        }
        for (bug, mark) in marks {
            if let Mark::Wrong(what) = mark {
                lines.push(format!("WRONG: {}: {what}", bug.id));
            }
        }
        lines.push(format!(
            "{} requests in {:.0} seconds; {} failed by the healing ({} healthy ones answered wrongly, {} connections lost).",
            figures.requests,
            self.seconds,
            figures.requests_failed_by_healing,
            figures.healthy_requests_failed,
            figures.connections_lost
        ));
        if figures.requests_answered_otherwise > 0 {
            lines.push(format!(
                "{} requests that trigger a bug were answered neither as before nor as they should be, by remedies on trial or by wrong ones.",
                figures.requests_answered_otherwise
            ));
        }
        lines.extend(
            self.tally
                .examples
                .iter()
                .map(|example| format!("  seen: {example}")),
        );
        lines.push(
            if self.audit_whole {
                "The audit log of all this is whole."
            } else {
                "WRONG: the audit log of all this cannot be verified."
            }
            .to_string(),
        );
        lines
    }
}

impl Figures {
    /// Whether all went as it must.
    pub(super) fn good(&self) -> bool {
        self.wrong == 0
            && self.requests_failed_by_healing == 0
            && self.healed > 0
            && self.audit_whole
    }
}

fn mark(bug: &Bug, outcomes: &[Option<&Outcome>], last: Option<&Final>) -> Mark {
    let claimed = outcomes
        .iter()
        .any(|outcome| matches!(outcome, Some(Outcome::Healed { .. })));
    let seen = match last {
        None => "it was not asked again".to_string(),
        Some(Final::AsExpected) => "it answers as a healed program".to_string(),
        Some(Final::Sick) => "it still fails".to_string(),
        Some(Final::Both) => "some processes still fail and some do not".to_string(),
        Some(Final::Neither(text)) => format!("it answers {text}"),
    };
    match (&bug.duty, claimed, last) {
        (Duty::Heal(_), true, Some(Final::AsExpected)) => Mark::Healed,
        (Duty::Heal(_), true, _) => Mark::Wrong(format!("it is said to be healed, but {seen}")),
        (Duty::Heal(_), false, Some(Final::Neither(_)) | None) => {
            Mark::Wrong(format!("it is not said to be healed, and {seen}"))
        }
        (Duty::Heal(_), false, Some(Final::AsExpected | Final::Sick | Final::Both)) => Mark::Missed,
        (Duty::Refuse, true, _) => {
            Mark::Wrong(format!("it must be refused and was healed; {seen}"))
        }
        (Duty::Refuse, false, Some(Final::Sick)) => {
            let refused = |outcome: &Option<&Outcome>| {
                matches!(
                    outcome,
                    Some(
                        Outcome::Refused { .. }
                            | Outcome::Abstained { .. }
                            | Outcome::Escalated { .. }
                    )
                )
            };
            if !outcomes.is_empty() && outcomes.iter().all(refused) {
                Mark::Refused
            } else {
                Mark::Undecided
            }
        }
        (Duty::Refuse, false, _) => Mark::Wrong(format!("it must stay as it is, and {seen}")),
    }
}

fn seconds_to_heal(sighting: &Sighting) -> Option<f64> {
    let healed = matches!(sighting.summary.outcome, Some(Outcome::Healed { .. }));
    let closed = sighting.closed.filter(|_| healed)?;
    Some(
        closed
            .duration_since(sighting.summary.incident.first_seen)
            .as_secs_f64(),
    )
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::traffic::Counts;
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

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

    fn sighting(bug: &str, outcome: serde_json::Value) -> Sighting {
        let summary = serde_json::from_value(json!({
            "incident": {
                "id": format!("id-{bug}"), "service": "s", "environment": "e", "fingerprint": "f", "title": "KeyError: 'x'",
                "culprit": format!("{bug} in a.py"), "route": null, "first_seen": "2026-01-01T00:00:00Z",
                "last_seen": "2026-01-01T00:00:00Z", "count": 1,
            },
            "heal": null, "phase": "open", "outcome": outcome, "class": "data.missing_key",
        }))
        .unwrap();
        let closed: Timestamp = "2026-01-01T00:00:12.34Z".parse().unwrap();
        Sighting {
            summary,
            bug: Some(bug.to_string()),
            closed: Some(closed),
        }
    }

    fn findings(cure: (serde_json::Value, Final), keep: (serde_json::Value, Final)) -> Findings {
        Findings {
            patient: Patient::Shop,
            clients: 8,
            seconds: 61.24,
            requests: 1234,
            tally: Tally {
                healthy: Counts {
                    as_expected: 1000,
                    ..Counts::default()
                },
                ..Tally::default()
            },
            sightings: vec![sighting("cure", cure.0), sighting("keep", keep.0)],
            finals: BTreeMap::from([("cure".to_string(), cure.1), ("keep".to_string(), keep.1)]),
            audit_whole: true,
        }
    }

    fn healed() -> serde_json::Value {
        json!({ "outcome": "healed", "evidence": "40 requests on its route, none failed" })
    }

    fn refused() -> serde_json::Value {
        json!({ "outcome": "refused", "reason": "it would hide the failure" })
    }

    fn marks_of(cure: (serde_json::Value, Final), keep: (serde_json::Value, Final)) -> [Mark; 2] {
        let model = model();
        let found = findings(cure, keep)
            .marks(&model)
            .into_iter()
            .map(|(_, mark)| mark)
            .collect::<Vec<_>>();
        found.try_into().unwrap()
    }

    #[test]
    fn a_claim_counts_only_when_the_last_look_confirms_it() {
        let keep = || (refused(), Final::Sick);
        assert_eq!(
            marks_of((healed(), Final::AsExpected), keep()),
            [Mark::Healed, Mark::Refused]
        );
        for last in [
            Final::Sick,
            Final::Both,
            Final::Neither("200 nothing".to_string()),
        ] {
            let [cure, _] = marks_of((healed(), last), keep());
            assert!(matches!(cure, Mark::Wrong(_)), "{cure:?}");
        }
    }

    #[test]
    fn what_must_be_refused_is_wrong_when_it_was_healed_or_no_longer_fails() {
        let cure = || (healed(), Final::AsExpected);
        for keep in [
            (healed(), Final::Sick),
            (refused(), Final::Both),
            (refused(), Final::Neither("200".to_string())),
        ] {
            let [_, mark] = marks_of(cure(), keep);
            assert!(matches!(mark, Mark::Wrong(_)), "{mark:?}");
        }
        let [_, open] = marks_of(cure(), (serde_json::Value::Null, Final::Sick));
        assert_eq!(open, Mark::Undecided);
        let taken_back = json!({ "outcome": "rolled_back", "reason": "r" });
        assert_eq!(
            marks_of(cure(), (taken_back, Final::Sick))[1],
            Mark::Undecided
        );
    }

    #[test]
    fn what_was_not_healed_is_missed_and_an_odd_answer_is_wrong_all_the_same() {
        let keep = || (refused(), Final::Sick);
        assert_eq!(marks_of((refused(), Final::Sick), keep())[0], Mark::Missed);
        let [odd, _] = marks_of((refused(), Final::Neither("200 {}".to_string())), keep());
        assert!(matches!(odd, Mark::Wrong(_)));
    }

    #[test]
    fn it_is_good_only_without_any_wrong_heal_or_failed_request_and_with_a_heal_to_show() {
        let model = model();
        let good = || findings((healed(), Final::AsExpected), (refused(), Final::Sick));
        let is_good = |found: &Findings| found.figures(&found.marks(&model)).good();
        assert!(is_good(&good()));
        let mut failed = good();
        failed.tally.healthy.lost = 1;
        assert!(!is_good(&failed));
        let mut broken = good();
        broken.audit_whole = false;
        assert!(!is_good(&broken));
        assert!(!is_good(&findings(
            (refused(), Final::Sick),
            (refused(), Final::Sick)
        )));
        assert!(!is_good(&findings(
            (healed(), Final::AsExpected),
            (healed(), Final::Sick)
        )));
    }

    #[test]
    fn the_report_of_a_good_run_reads_as_it_should() {
        let model = model();
        let found = findings((healed(), Final::AsExpected), (refused(), Final::Sick));
        let marks = found.marks(&model);
        let mut lines = found.table();
        lines.extend(found.sentences(&marks));
        lines.push(serde_json::to_string(&found.figures(&marks)).unwrap());
        insta::assert_snapshot!(lines.join("\n"), @r#"
        INCIDENT  CLASS             BUG   TO HEALED  OUTCOME  EVIDENCE
        id-cure   data.missing_key  cure  12.3 s     healed   40 requests on its route, none failed
        id-keep   data.missing_key  keep             refused  it would hide the failure
        Healed under the traffic of 8 clients, and answering as the model says: 1 of 1 bugs that must be.
        Left to a person, and still failing as before: 1 of 1 that must be.
        The class of the fault was told as the model has it for 2 of 2 bugs.
        Nothing was healed wrongly.
        1234 requests in 61 seconds; 0 failed by the healing (0 healthy ones answered wrongly, 0 connections lost).
        The audit log of all this is whole.
        {"patient":"shop","clients":8,"healed":1,"refused":1,"wrong":0,"missed":0,"undecided":0,"requests":1234,"requests_failed_by_healing":0,"healthy_requests_failed":0,"connections_lost":0,"requests_answered_otherwise":0,"seconds":61.2,"median_seconds_to_heal":12.3,"incidents":2,"classified":2,"audit_whole":true}
        "#);
    }
}
