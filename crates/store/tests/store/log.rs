//! The heal log: numbers, legality, the read model as the fold, and what is refused.

use crate::samples::{
    abstained, at, candidate, diagnosed, event, judged, measurement, opened, planned, trial,
};
use homeostasis_domain::heal::{HealEvent, State, Step};
use homeostasis_domain::trial::CheckStatus;
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{HealId, IncidentId, Outcome};
use homeostasis_store::{AppendError, Store, StoreError};
use jiff::Timestamp;
use proptest::prelude::*;

#[tokio::test]
async fn an_appended_entry_is_read_back_as_it_was_returned() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = IncidentId::new("0a0a0a0a");
    let heal = HealId::of(&incident, 1);
    let odd_time = Timestamp::from_nanosecond(1_790_000_000_123_456_789).unwrap();
    let first = store
        .append(&heal, 1, odd_time, &opened(&incident, "e"))
        .await
        .unwrap();
    let second = store
        .append(&heal, 2, at(1), &diagnosed("data.missing_key"))
        .await
        .unwrap();
    assert_eq!(store.log(&heal).await.unwrap(), vec![first, second]);
}

#[tokio::test]
async fn a_number_that_is_not_the_next_one_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = IncidentId::new("0a0a0a0a");
    let heal = HealId::of(&incident, 1);
    for (number, next) in [(0, 1), (2, 1)] {
        let error = store
            .append(&heal, number, at(0), &opened(&incident, "e"))
            .await
            .unwrap_err();
        assert!(matches!(error, AppendError::Conflict { next: n, .. } if n == next));
    }
    store
        .append(&heal, 1, at(0), &opened(&incident, "e"))
        .await
        .unwrap();
    let error = store
        .append(&heal, 1, at(0), &opened(&incident, "e"))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Conflict { next: 2, .. }));
    assert_eq!(store.log(&heal).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_that_cannot_follow_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = IncidentId::new("0a0a0a0a");
    let heal = HealId::of(&incident, 1);
    let error = store
        .append(&heal, 1, at(0), &diagnosed("data.missing_key"))
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Illegal { .. }));
    assert!(store.log(&heal).await.unwrap().is_empty());
    assert!(store.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_measurement_that_would_not_read_back_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let heal = HealId::new("0a0a0a0a.1");
    let error = store
        .append(
            &heal,
            1,
            at(0),
            &HealEvent::CanaryPassed {
                measurement: measurement(f64::NAN),
            },
        )
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        AppendError::Store(StoreError::Unstorable { .. })
    ));
}

#[tokio::test]
async fn heals_are_listed_by_age_and_the_tenth_comes_after_the_ninth() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = IncidentId::new("0a0a0a0a");
    let heals: Vec<HealId> = (1..=11).map(|n| HealId::of(&incident, n)).collect();
    for (second, heal) in heals.iter().enumerate() {
        let time = at(second as i64 * 10);
        store
            .append(heal, 1, time, &opened(&incident, "e"))
            .await
            .unwrap();
        if second < 9 {
            store.append(heal, 2, time, &abstained()).await.unwrap();
        }
    }
    assert_eq!(store.heals_of(&incident).await.unwrap(), heals);
    assert_eq!(store.unfinished().await.unwrap(), heals[9..]);
    let recent = store.heals_since(&incident, at(80)).await.unwrap();
    let ids: Vec<HealId> = recent.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, heals[8..]);
    assert!(matches!(recent[0].1, Some(Outcome::Abstained { .. })));
    assert_eq!(recent[1].1, None);
}

/// What may come next, as a driver of the machine would do it; `dice` decides between the ways there are.
fn next_event(state: &State, incident: &IncidentId, dice: u8) -> Option<HealEvent> {
    let chosen = state.chosen().cloned();
    let failed = |step: &str| HealEvent::StepFailed {
        step: step.to_string(),
        error: "the sandbox went away".to_string(),
    };
    let stale = HealEvent::Stale {
        reason: "orders.py was edited".to_string(),
    };
    let ask_back = HealEvent::RollbackAsked {
        by: "alice".to_string(),
        reason: "recurred".to_string(),
    };
    Some(match (state.next(), dice % 5) {
        (Step::Done, _) if state.length == 0 => opened(incident, "e"),
        (Step::Done, 0) if state.is_live() => ask_back,
        (Step::Done, _) => return None,
        (Step::AwaitApproval, 0) => HealEvent::Rejected {
            by: "alice".to_string(),
            reason: "no".to_string(),
        },
        (Step::AwaitApproval, 1) => stale,
        (Step::AwaitApproval, _) => HealEvent::Approved {
            by: "alice".to_string(),
        },
        (step, 0) if !matches!(step, Step::Close(_)) => failed(step.name()),
        (Step::Diagnose, n) => diagnosed(["data.missing_key", "data.parse"][usize::from(n % 2)]),
        (Step::Reproduce, 1) => stale,
        (Step::Reproduce, _) => HealEvent::Reproduced {
            trial: trial(None, CheckStatus::Failed),
        },
        (Step::Propose, n) => HealEvent::Proposed {
            candidates: (0..usize::from(n)).map(candidate).collect(),
            declined: Vec::new(),
        },
        (Step::Try(id), n) => HealEvent::Tried {
            trial: trial(
                state.candidates.iter().find(|c| c.id == id),
                if n < 3 {
                    CheckStatus::Failed
                } else {
                    CheckStatus::Passed
                },
            ),
        },
        (Step::Judge, n) => {
            let winner = state.trials.last().filter(|trial| trial.is_clean());
            let winner = winner.and_then(|trial| {
                state
                    .candidates
                    .iter()
                    .find(|c| Some(&c.id) == trial.candidate.as_ref())
            });
            judged(
                winner,
                [Decision::Go, Decision::Ask, Decision::Forbid][usize::from(n % 3)],
            )
        }
        (Step::Plan, 1) => stale,
        (Step::Plan, _) => planned(&chosen?),
        (Step::StartCanary | Step::WatchCanary | Step::Promote | Step::WatchEffect, 1) => ask_back,
        (Step::StartCanary, _) => HealEvent::CanaryStarted { processes: vec![7] },
        (Step::WatchCanary, _) => HealEvent::CanaryPassed {
            measurement: measurement(1.1),
        },
        (Step::Promote, _) => HealEvent::Promoted {
            processes: vec![7, 8],
        },
        (Step::WatchEffect, _) => HealEvent::EffectShown {
            measurement: measurement(2.3),
        },
        (Step::RollBack, _) => HealEvent::RolledBack {
            processes: vec![7, 8],
        },
        (Step::Close(outcome), _) => HealEvent::Closed { outcome },
    })
}

async fn walk_and_compare(dice: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let recorded = store.record_event(&event("e", "f", 0)).await.unwrap();
    let incident = recorded.incident.id;
    let heal = HealId::of(&incident, 1);
    let mut state = State::default();
    for (index, dice) in dice.iter().enumerate() {
        let Some(event) = next_event(&state, &incident, *dice) else {
            break;
        };
        let entry = store
            .append(&heal, state.length + 1, at(index as i64), &event)
            .await
            .unwrap();
        state = state.apply(&entry.event, entry.at).unwrap();

        let log = store.log(&heal).await.unwrap();
        assert_eq!(State::replay(&log).unwrap(), state);
        let summary = store.incident(&incident).await.unwrap().unwrap();
        assert_eq!(summary.heal.as_ref(), Some(&heal));
        assert_eq!(summary.phase, state.phase.name());
        assert_eq!(summary.outcome.as_ref(), state.outcome());
        let class = state.diagnosis.as_ref().map(|d| &d.hypotheses[0].class);
        assert_eq!(summary.class.as_ref(), class);
        let unfinished = store.unfinished().await.unwrap();
        assert_eq!(unfinished.contains(&heal), state.outcome().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_read_model_is_always_the_fold_of_the_log(dice in prop::collection::vec(any::<u8>(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk_and_compare(&dice));
    }
}

#[test]
fn the_walks_reach_every_way_a_heal_can_end() {
    use std::collections::BTreeSet;
    let incident = IncidentId::new("0a0a0a0a");
    let mut names = BTreeSet::new();
    let mut seed = 1u64;
    for _ in 0..4000 {
        let mut state = State::default();
        for second in 0..60 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let Some(event) = next_event(&state, &incident, (seed >> 33) as u8) else {
                break;
            };
            state = state.apply(&event, at(second)).unwrap();
        }
        names.extend(state.outcome().map(Outcome::name));
    }
    let expected = BTreeSet::from([
        "healed",
        "rolled_back",
        "refused",
        "abstained",
        "escalated",
        "lost",
    ]);
    assert_eq!(names, expected);
}
