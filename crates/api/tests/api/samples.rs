//! The way of one failure as domain values, and the logs made of it; not patients.

use homeostasis_domain::capsule::{Capsule, CapsuleKind, Exception, Process, Runtime};
use homeostasis_domain::diagnosis::{Cause, Origin};
use homeostasis_domain::heal::{Entry, HealEvent, State};
use homeostasis_domain::rollout::{Measurement, PlannedFile, RolloutPlan};
use homeostasis_domain::trial::{Check, CheckName, CheckStatus};
use homeostasis_domain::verdict::{Decision, Reason, Weight};
use homeostasis_domain::{
    Answer, Candidate, CandidateOrigin, Diagnosis, Event, EventId, FaultCode, FileEdit,
    Fingerprint, HealId, Hypothesis, Incident, IncidentId, Location, Operand, Outcome, Safety,
    SwapId, Trial, Value, Verdict,
};
use homeostasis_store::IncidentSummary;
use jiff::Timestamp;
use std::collections::BTreeMap;

pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + milliseconds).unwrap()
}

pub(crate) fn incident_id() -> IncidentId {
    IncidentId::new("1f2e3d4c")
}

pub(crate) fn event(id: &str, fingerprint: &str) -> Event {
    Event {
        id: EventId::new(id),
        service: "shop".to_string(),
        environment: "production".to_string(),
        time: at(0),
        received: at(1),
        signature: fingerprint.to_string(),
        fingerprint: Fingerprint::new(fingerprint),
        capsule: Capsule {
            schema: 1,
            kind: CapsuleKind::Process,
            hook: "sys.excepthook".to_string(),
            process: Process {
                pid: 7,
                argv: Vec::new(),
                cwd: "/srv/shop".to_string(),
                executable: String::new(),
                runtime: Runtime::default(),
                thread: String::new(),
                task: None,
                role: String::new(),
                frameworks: BTreeMap::new(),
            },
            exceptions: vec![Exception {
                type_name: "KeyError".to_string(),
                module: "builtins".to_string(),
                message: "'qty'".to_string(),
                relation: None,
                attributes: BTreeMap::new(),
                notes: Vec::new(),
                frames: Vec::new(),
            }],
            request: None,
            call: None,
            answers: Vec::new(),
            redacted: Vec::new(),
            missing: Vec::new(),
        },
        witnesses: Vec::new(),
    }
}

pub(crate) fn summary(log: &[Entry]) -> IncidentSummary {
    let state = State::replay(log).unwrap();
    IncidentSummary {
        incident: Incident {
            id: incident_id(),
            service: "shop".to_string(),
            environment: "production".to_string(),
            fingerprint: Fingerprint::new("f"),
            title: "KeyError: 'qty'".to_string(),
            culprit: "create in shop/orders.py".to_string(),
            route: Some("POST /orders".to_string()),
            first_seen: at(0),
            last_seen: at(61_000),
            count: 41,
        },
        heal: log.first().map(|entry| entry.heal.clone()),
        phase: state.phase.name().to_string(),
        outcome: state.outcome().cloned(),
        class: None,
    }
}

/// A log of these events, each a second and a bit after the one before.
pub(crate) fn log(events: Vec<HealEvent>) -> Vec<Entry> {
    let heal = HealId::of(&incident_id(), 1);
    let numbered = (1..).zip(events);
    numbered
        .map(|(number, event)| Entry {
            heal: heal.clone(),
            number,
            at: at(number as i64 * 1_234),
            event,
        })
        .collect()
}

pub(crate) fn opened() -> HealEvent {
    HealEvent::Opened {
        incident: incident_id(),
        source: EventId::new("e-1"),
    }
}

pub(crate) fn diagnosed(cause: Cause) -> HealEvent {
    HealEvent::Diagnosed {
        diagnosis: Diagnosis {
            hypotheses: vec![
                Hypothesis {
                    engine: "syntax".to_string(),
                    class: FaultCode::new("data.missing_key"),
                    cause,
                    summary: "The line of the order has no key 'qty'".to_string(),
                    error: "KeyError".to_string(),
                    location: Some(Location {
                        file: "/srv/shop/shop/orders.py".to_string(),
                        module: "shop.orders".to_string(),
                        function: "create".to_string(),
                        line: 12,
                        column: 10,
                        end_line: 12,
                        end_column: 21,
                        start_byte: 100,
                        end_byte: 111,
                        text: "line[\n    \"qty\"]".to_string(),
                    }),
                    operands: vec![
                        Operand {
                            role: "object".to_string(),
                            text: "line".to_string(),
                            start_byte: 100,
                            end_byte: 104,
                            value: Some(Value::Dict {
                                items: vec![(
                                    Value::Str {
                                        v: "sku".to_string(),
                                        len: 3,
                                    },
                                    Value::Int { v: "7".to_string() },
                                )],
                                len: 1,
                            }),
                            origin: Origin::RequestBody,
                        },
                        Operand {
                            role: "key".to_string(),
                            text: "\"qty\"".to_string(),
                            start_byte: 105,
                            end_byte: 110,
                            value: None,
                            origin: Origin::Constant,
                        },
                    ],
                    confidence: 0.9,
                    evidence: vec!["the key is sent by the client".to_string()],
                },
                Hypothesis {
                    engine: "history".to_string(),
                    class: FaultCode::new("logic.unhandled_case"),
                    cause: Cause::Code,
                    summary: "The line was changed yesterday.".to_string(),
                    error: "KeyError".to_string(),
                    location: None,
                    operands: Vec::new(),
                    confidence: 0.2,
                    evidence: Vec::new(),
                },
            ],
            report: Vec::new(),
        },
    }
}

fn check(name: CheckName, status: CheckStatus, summary: &str, milliseconds: f64) -> Check {
    Check {
        name,
        status,
        summary: summary.to_string(),
        detail: serde_json::Value::Null,
        milliseconds,
    }
}

pub(crate) fn reproduced(status: CheckStatus) -> HealEvent {
    HealEvent::Reproduced {
        trial: Trial {
            candidate: None,
            checks: vec![
                check(
                    CheckName::Reproduces,
                    status,
                    "KeyError at the same place",
                    412.3,
                ),
                check(
                    CheckName::Tests,
                    CheckStatus::Passed,
                    "31 tests passed",
                    2_345.0,
                ),
            ],
            milliseconds: 2_800.0,
        },
    }
}

pub(crate) fn candidate(title: &str, safety: Safety) -> Candidate {
    let edits = vec![FileEdit::new("/srv/shop/shop/orders.py", "old", title)];
    Candidate {
        id: Candidate::id_of(&edits),
        origin: CandidateOrigin::Rule {
            rule: "python/missing_field".to_string(),
            fix: "flask".to_string(),
        },
        safety,
        title: title.to_string(),
        rationale: "The field is the client's to send.".to_string(),
        answer: Answer::ClientError,
        edits,
        diff: format!(
            "--- a/shop/orders.py\n+++ b/shop/orders.py\n@@ -12 +12 @@\n-old\n+{title}\n"
        ),
        score: 1.0,
    }
}

pub(crate) fn proposed(candidates: &[Candidate]) -> HealEvent {
    HealEvent::Proposed {
        candidates: candidates.to_vec(),
        declined: vec!["a default quantity would be a guess".to_string()],
    }
}

pub(crate) fn tried(candidate: &Candidate, status: CheckStatus) -> HealEvent {
    HealEvent::Tried {
        trial: Trial {
            candidate: Some(candidate.id.clone()),
            checks: vec![
                check(CheckName::Builds, CheckStatus::Passed, "", 3.25),
                check(
                    CheckName::Heals,
                    status,
                    "answered with 422, naming qty",
                    380.0,
                ),
                check(
                    CheckName::Tests,
                    CheckStatus::Inconclusive,
                    "the program has no tests",
                    1.0,
                ),
            ],
            milliseconds: 3_100.0,
        },
    }
}

pub(crate) fn judged(chosen: Option<&Candidate>, decision: Decision) -> HealEvent {
    HealEvent::Judged {
        verdict: Verdict {
            chosen: chosen.map(|candidate| candidate.id.clone()),
            reasons: vec![Reason {
                candidate: chosen.map(|candidate| candidate.id.clone()),
                code: "heals".to_string(),
                weight: Weight::For,
                text: "the failing request is answered as it should be".to_string(),
            }],
            summary: match chosen {
                Some(candidate) => format!("“{}” is proven", candidate.title),
                None => "no candidate is proven".to_string(),
            },
        },
        decision,
        policy: "the mode is propose, so a person agrees first".to_string(),
    }
}

pub(crate) fn approved() -> HealEvent {
    HealEvent::Approved {
        by: "alice".to_string(),
    }
}

pub(crate) fn planned(candidate: &Candidate) -> HealEvent {
    HealEvent::Planned {
        plan: RolloutPlan {
            swap: SwapId::new("1f2e3d4c.1a"),
            candidate: candidate.id.clone(),
            driver: "swap".to_string(),
            files: vec![PlannedFile {
                path: "/srv/shop/shop/orders.py".to_string(),
                old_sha256: candidate.edits[0].old_sha256.clone(),
                new_sha256: candidate.edits[0].new_sha256.clone(),
            }],
            canary: Some(11),
            processes: vec![11, 12, 13, 14],
        },
    }
}

pub(crate) fn measurement() -> Measurement {
    Measurement {
        requests: 212,
        failed: 1,
        recurrences: 0,
        new_failures: Vec::new(),
        seconds: 8.04,
        failure_rate_before: 0.25,
        chance_by_luck: 3.2e-27,
    }
}

/// From the first event to the outcome, with a person's approval.
pub(crate) fn healed() -> Vec<HealEvent> {
    let first = candidate("Guess a quantity of one", Safety::Unsafe);
    let second = candidate("Answer 422 naming the missing field", Safety::Safe);
    let mut events = waiting_for_a_person();
    events.extend([
        approved(),
        planned(&second),
        HealEvent::CanaryStarted {
            processes: vec![11],
        },
        HealEvent::CanaryPassed {
            measurement: measurement(),
        },
        HealEvent::Promoted {
            processes: vec![11, 12, 13, 14],
        },
        HealEvent::EffectShown {
            measurement: measurement(),
        },
    ]);
    let state = State::replay(&log(events.clone())).unwrap();
    assert_eq!(state.candidates, [first, second]);
    if let homeostasis_domain::heal::Step::Close(outcome) = state.next() {
        events.push(HealEvent::Closed { outcome });
    }
    events
}

pub(crate) fn waiting_for_a_person() -> Vec<HealEvent> {
    let first = candidate("Guess a quantity of one", Safety::Unsafe);
    let second = candidate("Answer 422 naming the missing field", Safety::Safe);
    vec![
        opened(),
        diagnosed(Cause::Code),
        reproduced(CheckStatus::Passed),
        proposed(&[first.clone(), second.clone()]),
        tried(&first, CheckStatus::Failed),
        tried(&second, CheckStatus::Passed),
        judged(Some(&second), Decision::Ask),
    ]
}

pub(crate) fn closed(outcome: Outcome) -> HealEvent {
    HealEvent::Closed { outcome }
}
