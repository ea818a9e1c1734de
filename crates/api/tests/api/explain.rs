//! The explanation: whole ways as text, every kind of entry as a sentence, and nothing that a terminal would obey.

use crate::samples::{
    approved, candidate, closed, diagnosed, healed, judged, log, measurement, opened, planned,
    proposed, reproduced, summary, tried, waiting_for_a_person,
};
use homeostasis_api::explain::tell;
use homeostasis_api::{Explanation, explain};
use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::trial::CheckStatus;
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{Outcome, Safety};
use proptest::prelude::*;

fn explained(events: Vec<HealEvent>) -> Explanation {
    let log = log(events);
    explain(summary(&log), &[log]).unwrap()
}

#[test]
fn the_whole_way_to_a_heal_is_told() {
    let text = explained(healed()).text;
    insta::assert_snapshot!(text);
}

#[test]
fn a_heal_that_waits_says_how_to_answer() {
    let text = explained(waiting_for_a_person()).text;
    assert!(text.contains("`homeostasis approve 1f2e3d4c`"), "{text}");
}

#[test]
fn what_is_no_fault_of_the_code_is_told_as_such() {
    let text = explained(vec![
        opened(),
        diagnosed(Cause::Dependency),
        closed(Outcome::Abstained {
            reason: "the payment service does not answer".to_string(),
        }),
    ])
    .text;
    insta::assert_snapshot!(text);
}

#[test]
fn failed_steps_a_lost_canary_and_a_rollback_are_told() {
    let only = candidate("Answer 422 naming the missing field", Safety::Safe);
    let failed = |error: &str| HealEvent::StepFailed {
        step: "roll_back".to_string(),
        error: error.to_string(),
    };
    let text = explained(vec![
        opened(),
        diagnosed(Cause::Code),
        HealEvent::Stale {
            reason: "shop/orders.py was edited".to_string(),
        },
        diagnosed(Cause::Code),
        reproduced(CheckStatus::Passed),
        proposed(std::slice::from_ref(&only)),
        tried(&only, CheckStatus::Passed),
        judged(Some(&only), Decision::Go),
        planned(&only),
        HealEvent::CanaryStarted {
            processes: vec![11],
        },
        HealEvent::CanaryLost {
            reason: "process 11 ended".to_string(),
        },
        planned(&only),
        HealEvent::CanaryStarted {
            processes: vec![12],
        },
        HealEvent::RollbackAsked {
            by: "homeostasis".to_string(),
            reason: "the failure recurred in the canary".to_string(),
        },
        failed("process 12 does not answer"),
        HealEvent::RolledBack {
            processes: vec![12, 13, 14],
        },
        closed(Outcome::RolledBack {
            reason: "the failure recurred in the canary".to_string(),
        }),
    ])
    .text;
    insta::assert_snapshot!(text);
}

#[test]
fn an_incident_without_a_heal_is_told_too() {
    let text = explain(summary(&[]), &[]).unwrap().text;
    insta::assert_snapshot!(text);
}

#[test]
fn the_data_carry_every_entry_with_its_states() {
    let explanation = serde_json::to_value(explained(waiting_for_a_person())).unwrap();
    let entries = explanation["heals"][0]["entries"].as_array().unwrap();
    let path: Vec<(&str, &str, &str)> = entries
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap();
            (text("from"), text("event"), text("state"))
        })
        .collect();
    assert_eq!(
        path,
        [
            ("new", "opened", "open"),
            ("open", "diagnosed", "diagnosed"),
            ("diagnosed", "reproduced", "reproduced"),
            ("reproduced", "proposed", "trying"),
            ("trying", "tried", "trying"),
            ("trying", "tried", "trying"),
            ("trying", "judged", "waiting"),
        ]
    );
    assert_eq!(explanation["incident"]["id"], "1f2e3d4c");
    assert_eq!(
        entries[1]["data"]["diagnosis"]["hypotheses"][0]["confidence"],
        0.9
    );
    assert!(entries.iter().all(|entry| entry["details"].is_array()));
}

/// One of each kind of event, and of each shape that changes how it is told.
fn all_kinds() -> Vec<HealEvent> {
    let one = candidate("Do this", Safety::ShowOnly);
    let outcomes = |reason: String| {
        [
            Outcome::Healed {
                evidence: reason.clone(),
            },
            Outcome::RolledBack {
                reason: reason.clone(),
            },
            Outcome::Refused {
                reason: reason.clone(),
            },
            Outcome::Abstained {
                reason: reason.clone(),
            },
            Outcome::Escalated {
                reason: reason.clone(),
            },
            Outcome::Lost { reason },
        ]
    };
    let causes = [
        Cause::Code,
        Cause::Dependency,
        Cause::Data,
        Cause::Capacity,
        Cause::Configuration,
        Cause::Infrastructure,
        Cause::BusinessRule,
    ];
    let statuses = [
        CheckStatus::Passed,
        CheckStatus::Failed,
        CheckStatus::Error,
        CheckStatus::Inconclusive,
    ];
    let mut events = vec![
        opened(),
        HealEvent::Diagnosed {
            diagnosis: Default::default(),
        },
        proposed(&[]),
        proposed(std::slice::from_ref(&one)),
        judged(None, Decision::Forbid),
        judged(Some(&one), Decision::Go),
        judged(Some(&one), Decision::Ask),
        judged(Some(&one), Decision::Forbid),
        approved(),
        HealEvent::Rejected {
            by: "bob".to_string(),
            reason: "not now.".to_string(),
        },
        HealEvent::Stale {
            reason: "an edit".to_string(),
        },
        planned(&one),
        HealEvent::CanaryStarted { processes: vec![] },
        HealEvent::CanaryStarted {
            processes: vec![1, 2],
        },
        HealEvent::CanaryLost {
            reason: "it ended".to_string(),
        },
        HealEvent::CanaryPassed {
            measurement: measurement(),
        },
        HealEvent::Promoted { processes: vec![] },
        HealEvent::EffectShown {
            measurement: measurement(),
        },
        HealEvent::RollbackAsked {
            by: "bob".to_string(),
            reason: "slow".to_string(),
        },
        HealEvent::RolledBack { processes: vec![1] },
        HealEvent::StepFailed {
            step: "start_canary".to_string(),
            error: "gone".to_string(),
        },
    ];
    events.extend(causes.map(diagnosed));
    events.extend(statuses.map(reproduced));
    events.extend(statuses.map(|status| tried(&one, status)));
    events.extend(outcomes("so it is".to_string()).map(closed));
    events
}

#[test]
fn every_kind_of_entry_is_a_whole_sentence() {
    let state = State::default();
    let told: Vec<String> = all_kinds()
        .iter()
        .map(|event| {
            let told = tell(&state, event, &state);
            assert!(told.sentence.ends_with(['.', '…']), "{}", told.sentence);
            assert!(
                !told.sentence.contains("..") && !told.sentence.contains("  "),
                "{}",
                told.sentence
            );
            assert!(told.details.iter().all(|detail| !detail.trim().is_empty()));
            format!("{:15} {}", event.name(), told.sentence)
        })
        .collect();
    let text = told.join("\n");
    insta::assert_snapshot!(text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn text_from_outside_cannot_reach_the_terminal_as_a_command(message in any::<String>(), raw in prop::collection::vec(0..0x20u8, 0..20)) {
        let hostile = format!("{message}\u{1b}[2J\u{9b}31m\r\n\u{202e}{}", String::from_utf8(raw).unwrap());
        let log = log(vec![
            opened(),
            HealEvent::StepFailed { step: "diagnose".to_string(), error: hostile.clone() },
            closed(Outcome::Refused { reason: hostile.clone() }),
        ]);
        let mut summary = summary(&log);
        summary.incident.title.clone_from(&hostile);
        summary.incident.culprit.clone_from(&hostile);
        let lines = explain(summary.clone(), std::slice::from_ref(&log)).unwrap().text;
        let controls = lines.chars().filter(|character| character.is_control() && *character != '\n');
        prop_assert_eq!(controls.count(), 0);
        let reversed = lines.contains('\u{202e}');
        prop_assert!(!reversed);
        // No message can add a line of its own.
        prop_assert_eq!(lines.lines().count(), 11);
    }
}
