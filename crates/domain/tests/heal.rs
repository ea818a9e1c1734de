//! Properties of the heal state machine over arbitrary orders of events.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostasis_domain::heal::{Entry, HealEvent, Phase, State, Step, change_of};
use homeostasis_domain::rollout::{Measurement, RolloutPlan};
use homeostasis_domain::verdict::{Decision, Verdict};
use homeostasis_domain::{
    Answer, Candidate, CandidateId, CandidateOrigin, Check, CheckName, CheckStatus, Diagnosis,
    EventId, FileEdit, HealId, IncidentId, Outcome, Safety, SwapId, Trial,
};
use jiff::Timestamp;
use proptest::prelude::*;

fn candidate(name: &str) -> Candidate {
    let edits = vec![FileEdit::new("/srv/a.py", "old", name)];
    Candidate {
        id: CandidateId::new(name),
        origin: CandidateOrigin::Rule {
            rule: "r".into(),
            fix: "f".into(),
        },
        safety: Safety::Safe,
        title: "Answer".into(),
        rationale: String::new(),
        answer: Answer::Success,
        edits,
        diff: format!("--- a\n+++ b\n-old\n+{name}\n"),
        score: 1.0,
    }
}

fn trial(name: Option<&str>, status: CheckStatus) -> Trial {
    let check = Check {
        name: CheckName::Heals,
        status,
        summary: String::new(),
        detail: serde_json::Value::Null,
        milliseconds: 1.0,
    };
    Trial {
        candidate: name.map(CandidateId::new),
        checks: vec![check],
        milliseconds: 1.0,
    }
}

fn plan() -> RolloutPlan {
    RolloutPlan {
        swap: SwapId::new("s"),
        candidate: CandidateId::new("a"),
        driver: "swap".into(),
        files: vec![],
        canary: Some(1),
        processes: vec![1, 2],
    }
}

fn events() -> impl Strategy<Value = HealEvent> {
    let text = || "x".to_string();
    let chosen = prop_oneof![
        Just(None),
        Just(Some("a")),
        Just(Some("b")),
        Just(Some("unknown"))
    ];
    let decision = prop_oneof![
        Just(Decision::Go),
        Just(Decision::Ask),
        Just(Decision::Forbid)
    ];
    let outcome = prop_oneof![
        Just(Outcome::Healed { evidence: text() }),
        Just(Outcome::Refused { reason: text() }),
        Just(Outcome::Lost { reason: text() }),
    ];
    let tried = (
        prop_oneof![Just("a"), Just("b")],
        prop_oneof![Just(CheckStatus::Passed), Just(CheckStatus::Failed)],
    );
    prop_oneof![
        Just(HealEvent::Opened {
            incident: IncidentId::new("i"),
            source: EventId::new("e")
        }),
        Just(HealEvent::Diagnosed {
            diagnosis: Diagnosis::default()
        }),
        Just(HealEvent::Reproduced {
            trial: trial(None, CheckStatus::Passed)
        }),
        Just(HealEvent::Proposed {
            candidates: vec![candidate("a"), candidate("b")],
            declined: vec![]
        }),
        tried.prop_map(|(name, status)| HealEvent::Tried {
            trial: trial(Some(name), status)
        }),
        (chosen, decision).prop_map(|(chosen, decision)| HealEvent::Judged {
            verdict: Verdict {
                chosen: chosen.map(CandidateId::new),
                reasons: vec![],
                summary: "s".into()
            },
            decision,
            policy: "p".into(),
        }),
        Just(HealEvent::Approved { by: text() }),
        Just(HealEvent::Rejected {
            by: text(),
            reason: text()
        }),
        Just(HealEvent::Stale { reason: text() }),
        Just(HealEvent::Planned { plan: plan() }),
        Just(HealEvent::CanaryStarted { processes: vec![1] }),
        Just(HealEvent::CanaryLost { reason: text() }),
        Just(HealEvent::CanaryPassed {
            measurement: Measurement::default()
        }),
        Just(HealEvent::Promoted {
            processes: vec![1, 2]
        }),
        Just(HealEvent::EffectShown {
            measurement: Measurement::default()
        }),
        Just(HealEvent::RollbackAsked {
            by: text(),
            reason: text()
        }),
        Just(HealEvent::RolledBack {
            processes: vec![1, 2]
        }),
        Just(HealEvent::StepFailed {
            step: text(),
            error: text()
        }),
        outcome.prop_map(|outcome| HealEvent::Closed { outcome }),
    ]
}

/// The events that follow the machine's own wishes, so that long legal histories are common.
fn obliging(state: &State, luck: u8) -> HealEvent {
    let ok = !luck.is_multiple_of(4);
    match state.next() {
        Step::Done => HealEvent::Opened {
            incident: IncidentId::new("i"),
            source: EventId::new("e"),
        },
        Step::Diagnose => HealEvent::Diagnosed {
            diagnosis: Diagnosis::default(),
        },
        Step::Reproduce => HealEvent::Reproduced {
            trial: trial(None, CheckStatus::Passed),
        },
        Step::Propose => HealEvent::Proposed {
            candidates: vec![candidate("a"), candidate("b")],
            declined: vec![],
        },
        Step::Try(id) => HealEvent::Tried {
            trial: trial(
                Some(id.as_str()),
                if ok {
                    CheckStatus::Passed
                } else {
                    CheckStatus::Failed
                },
            ),
        },
        Step::Judge => HealEvent::Judged {
            verdict: Verdict {
                chosen: Some(CandidateId::new("a")),
                reasons: vec![],
                summary: String::new(),
            },
            decision: if ok { Decision::Go } else { Decision::Ask },
            policy: String::new(),
        },
        Step::AwaitApproval => HealEvent::Approved { by: "eve".into() },
        Step::Plan => HealEvent::Planned { plan: plan() },
        Step::StartCanary => HealEvent::CanaryStarted { processes: vec![1] },
        Step::WatchCanary if ok => HealEvent::CanaryPassed {
            measurement: Measurement::default(),
        },
        Step::WatchCanary => HealEvent::CanaryLost {
            reason: "recycled".into(),
        },
        Step::Promote if ok => HealEvent::Promoted {
            processes: vec![1, 2],
        },
        Step::Promote => HealEvent::StepFailed {
            step: "promote".into(),
            error: "no".into(),
        },
        Step::WatchEffect if ok => HealEvent::EffectShown {
            measurement: Measurement::default(),
        },
        Step::WatchEffect => HealEvent::RollbackAsked {
            by: "homeostasis".into(),
            reason: "again".into(),
        },
        Step::RollBack => HealEvent::RolledBack { processes: vec![] },
        Step::Close(outcome) => HealEvent::Closed { outcome },
    }
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number as i64).unwrap()
}

proptest! {
    #[test]
    fn any_order_of_events_is_folded_or_refused_and_never_panics(events in proptest::collection::vec(events(), 0..60)) {
        let mut state = State::default();
        for (number, event) in events.iter().enumerate() {
            let before = state.clone();
            match state.clone().apply(event, at(number)) {
                Ok(after) => state = after,
                Err(_) => prop_assert_eq!(&before, &state),
            }
        }
    }

    #[test]
    fn once_the_program_was_touched_a_heal_ends_only_in_effect_shown_or_taken_back_or_a_person(
        choices in proptest::collection::vec((any::<u8>(), any::<bool>(), events()), 0..120),
    ) {
        let mut state = State::default();
        let (mut touched, mut shown, mut back) = (false, false, false);
        for (number, (luck, wild, wild_event)) in choices.iter().enumerate() {
            let event = if *wild { wild_event.clone() } else { obliging(&state, *luck) };
            let Ok(after) = state.clone().apply(&event, at(number)) else { continue };
            match &event {
                HealEvent::CanaryStarted { .. } => { touched = true; shown = false; back = false; }
                HealEvent::EffectShown { .. } => shown = true,
                HealEvent::RolledBack { .. } => back = true,
                HealEvent::CanaryLost { .. } => touched = false,
                HealEvent::RollbackAsked { .. } => shown = false,
                _ => {}
            }
            state = after;
            if let (Phase::Closed { outcome }, true) = (&state.phase, touched) {
                let escalated = matches!(outcome, Outcome::Escalated { .. });
                prop_assert!(shown || back || escalated, "closed as {outcome:?} after {event:?}");
                if matches!(outcome, Outcome::Healed { .. }) { prop_assert!(shown); }
            }
        }
    }

    #[test]
    fn replaying_the_log_gives_the_same_state_and_the_same_next_step(choices in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut state = State::default();
        let mut log = Vec::new();
        for (number, luck) in choices.iter().enumerate() {
            let event = obliging(&state, *luck);
            let Ok(after) = state.clone().apply(&event, at(number)) else { break };
            let number = log.len() as u64 + 1;
            log.push(Entry { heal: HealId::new("i.1"), number, at: after.since.unwrap_or_default(), event });
            state = after;
        }
        // The time of an entry only matters where a phase begins, which `since` records.
        let replayed = State::replay(&log).unwrap();
        prop_assert_eq!(replayed.next(), state.next());
        prop_assert_eq!(replayed.length, log.len() as u64);
    }

    #[test]
    fn following_the_machine_always_ends(seed in any::<u64>()) {
        let mut state = State::default();
        let mut random = seed;
        for number in 0..400 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            if matches!(state.phase, Phase::Closed { .. }) { return Ok(()); }
            let event = obliging(&state, (random >> 33) as u8);
            state = state.apply(&event, at(number)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        }
        prop_assert!(false, "still {:?}", state.phase);
    }
}

#[test]
fn an_approval_holds_for_the_same_change_after_the_files_moved() {
    let judged = || HealEvent::Judged {
        verdict: Verdict {
            chosen: Some(CandidateId::new("a")),
            reasons: vec![],
            summary: String::new(),
        },
        decision: Decision::Ask,
        policy: String::new(),
    };
    let opening = [
        HealEvent::Opened {
            incident: IncidentId::new("i"),
            source: EventId::new("e"),
        },
        HealEvent::Diagnosed {
            diagnosis: Diagnosis::default(),
        },
        HealEvent::Reproduced {
            trial: trial(None, CheckStatus::Passed),
        },
        HealEvent::Proposed {
            candidates: vec![candidate("a")],
            declined: vec![],
        },
        HealEvent::Tried {
            trial: trial(Some("a"), CheckStatus::Passed),
        },
        judged(),
        HealEvent::Approved { by: "ann".into() },
        HealEvent::Stale {
            reason: "edited".into(),
        },
    ];
    let again = opening[1..6].to_vec();
    let mut state = State::default();
    for event in opening.iter().chain(&again) {
        state = state.apply(event, at(1)).unwrap();
    }
    assert_eq!(
        state.phase,
        Phase::Accepted,
        "approved once, for the change {}",
        change_of(&candidate("a"))
    );
}

#[test]
fn a_step_that_keeps_failing_ends_the_heal_without_touching_anything() {
    let mut state = State::default();
    state = state
        .apply(
            &HealEvent::Opened {
                incident: IncidentId::new("i"),
                source: EventId::new("e"),
            },
            at(0),
        )
        .unwrap();
    for _ in 0..3 {
        state = state
            .apply(
                &HealEvent::StepFailed {
                    step: "diagnose".into(),
                    error: "disk".into(),
                },
                at(1),
            )
            .unwrap();
    }
    assert!(matches!(
        state.next(),
        Step::Close(Outcome::Abstained { .. })
    ));
}

#[test]
fn every_class_of_the_taxonomy_is_unique_and_defined() {
    let taxonomy = homeostasis_domain::fault::taxonomy();
    let mut codes: Vec<&str> = taxonomy.iter().map(|fault| fault.code.as_str()).collect();
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    assert!(taxonomy.iter().all(|fault| fault.definition.ends_with('.')));
}
