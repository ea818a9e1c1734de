//! The judge: no measurement is ever a success, whatever comes together.

use homeostasis_domain::{
    Answer, Candidate, CandidateId, CandidateOrigin, Check, CheckName, CheckStatus, Safety, Trial,
};
use homeostasis_validate::{JudgeInput, judge};
use proptest::prelude::*;

const NAMES: [CheckName; 6] = [
    CheckName::Static,
    CheckName::Builds,
    CheckName::Heals,
    CheckName::Replay,
    CheckName::Silencing,
    CheckName::Tests,
];

fn candidate(number: usize, safety: Safety, score: f64) -> Candidate {
    Candidate {
        id: CandidateId::new(format!("c{number}")),
        origin: CandidateOrigin::Rule {
            rule: "python/data/missing-key".into(),
            fix: "get".into(),
        },
        safety,
        title: format!("Remedy {number}"),
        rationale: String::new(),
        answer: Answer::Success,
        edits: Vec::new(),
        diff: String::new(),
        score,
    }
}

fn check(name: CheckName, status: CheckStatus) -> Check {
    Check {
        name,
        status,
        summary: format!("{} {}", name.as_str(), status.as_str()),
        detail: serde_json::Value::Null,
        milliseconds: 1.0,
    }
}

fn trial(of: &Candidate, checks: Vec<Check>) -> Trial {
    Trial {
        candidate: Some(of.id.clone()),
        checks,
        milliseconds: 1.0,
    }
}

fn baseline(status: CheckStatus) -> Trial {
    Trial {
        candidate: None,
        checks: vec![check(CheckName::Reproduces, status)],
        milliseconds: 1.0,
    }
}

fn all_passed() -> Vec<Check> {
    NAMES.map(|name| check(name, CheckStatus::Passed)).to_vec()
}

fn statuses() -> impl Strategy<Value = CheckStatus> {
    prop_oneof![
        4 => Just(CheckStatus::Passed),
        1 => Just(CheckStatus::Failed),
        1 => Just(CheckStatus::Error),
        1 => Just(CheckStatus::Inconclusive),
    ]
}

fn safeties() -> impl Strategy<Value = Safety> {
    prop_oneof![
        Just(Safety::Safe),
        Just(Safety::Unsafe),
        Just(Safety::ShowOnly)
    ]
}

/// Any checks of any candidates, some of them not run.
fn inputs() -> impl Strategy<Value = (Vec<Candidate>, Vec<Trial>, Trial)> {
    let one = (
        safeties(),
        -5.0..5.0,
        proptest::collection::vec(proptest::option::weighted(0.9, statuses()), NAMES.len()),
        proptest::bool::weighted(0.9),
    );
    (proptest::collection::vec(one, 0..5), statuses()).prop_map(|(all, status)| {
        let (mut candidates, mut trials) = (Vec::new(), Vec::new());
        for (number, (safety, score, checks, tried)) in all.into_iter().enumerate() {
            let candidate = candidate(number, safety, score);
            let checks = NAMES
                .iter()
                .zip(checks)
                .filter_map(|(name, status)| Some(check(*name, status?)))
                .collect();
            if tried {
                trials.push(trial(&candidate, checks));
            }
            candidates.push(candidate);
        }
        (candidates, trials, baseline(status))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_chosen_was_measured_and_has_nothing_against_it((candidates, trials, baseline) in inputs()) {
        let verdict = judge(&JudgeInput { candidates: &candidates, trials: &trials, baseline: &baseline });
        prop_assert_eq!(&verdict, &judge(&JudgeInput { candidates: &candidates, trials: &trials, baseline: &baseline }));
        prop_assert!(!verdict.summary.is_empty());
        let Some(chosen) = &verdict.chosen else { return Ok(()) };
        prop_assert!(baseline.passed(CheckName::Reproduces));
        let candidate = candidates.iter().find(|one| one.id == *chosen).unwrap();
        let trial = trials.iter().find(|one| one.candidate.as_ref() == Some(chosen)).unwrap();
        prop_assert!(trial.is_clean());
        for name in [CheckName::Static, CheckName::Builds, CheckName::Heals, CheckName::Silencing] {
            prop_assert!(trial.passed(name));
        }
        prop_assert!(candidate.safety != Safety::ShowOnly);
        let evidence = trial.passed(CheckName::Tests) || trial.passed(CheckName::Replay);
        prop_assert!(candidate.safety == Safety::Safe || evidence);
    }

    #[test]
    fn something_clean_is_never_passed_over_for_nothing((candidates, trials, _) in inputs()) {
        let baseline = baseline(CheckStatus::Passed);
        let verdict = judge(&JudgeInput { candidates: &candidates, trials: &trials, baseline: &baseline });
        let perfect = candidates.iter().any(|one| {
            one.safety == Safety::Safe
                && trials.iter().any(|trial| trial.candidate.as_ref() == Some(&one.id) && NAMES.iter().all(|name| trial.passed(*name)))
        });
        prop_assert!(!perfect || verdict.chosen.is_some());
    }
}

#[test]
fn the_safest_and_then_the_best_of_the_clean_is_chosen() {
    let candidates = [
        candidate(0, Safety::Unsafe, 9.0),
        candidate(1, Safety::Safe, 1.0),
        candidate(2, Safety::Safe, 2.0),
    ];
    let trials: Vec<Trial> = candidates
        .iter()
        .map(|one| trial(one, all_passed()))
        .collect();
    let baseline = baseline(CheckStatus::Passed);
    let verdict = judge(&JudgeInput {
        candidates: &candidates,
        trials: &trials,
        baseline: &baseline,
    });
    assert_eq!(verdict.chosen, Some(candidates[2].id.clone()));
    assert_eq!(
        verdict.summary,
        "\"Remedy 2\" heals the failure and hides nothing; the tests pass as before, and healthy requests are answered as before"
    );
}

#[test]
fn a_summary_of_abstaining_says_why() {
    let candidates = [
        candidate(0, Safety::Safe, 1.0),
        candidate(1, Safety::Safe, 0.5),
    ];
    let mut bad = all_passed();
    bad[5] = check(CheckName::Tests, CheckStatus::Failed);
    let mut worse = all_passed();
    worse.truncate(2);
    worse.push(check(CheckName::Heals, CheckStatus::Failed));
    let trials = [trial(&candidates[0], bad), trial(&candidates[1], worse)];
    let passed = baseline(CheckStatus::Passed);
    let verdict = judge(&JudgeInput {
        candidates: &candidates,
        trials: &trials,
        baseline: &passed,
    });
    assert_eq!(verdict.chosen, None);
    assert_eq!(
        verdict.summary,
        "no candidate survived: 2 tried; \"Remedy 0\": tests failed; \"Remedy 1\": heals failed"
    );
    let not = baseline(CheckStatus::Inconclusive);
    let verdict = judge(&JudgeInput {
        candidates: &candidates,
        trials: &[],
        baseline: &not,
    });
    assert_eq!(
        verdict.summary,
        "no candidate can be proven: reproduces inconclusive"
    );
}

#[test]
fn no_trials_and_no_candidates_is_abstaining() {
    let baseline = baseline(CheckStatus::Passed);
    let verdict = judge(&JudgeInput {
        candidates: &[],
        trials: &[],
        baseline: &baseline,
    });
    assert_eq!(verdict.chosen, None);
    let candidates = [candidate(0, Safety::Safe, 1.0)];
    let verdict = judge(&JudgeInput {
        candidates: &candidates,
        trials: &[],
        baseline: &baseline,
    });
    assert_eq!(verdict.chosen, None);
}
