//! Tests: no test that passes without the candidate fails, vanishes or is skipped with it.

use super::Found;
use crate::suite::SuiteResult;

/// More than this many tests are not flaky all at once.
const MAX_FLAKY: usize = 3;

/// Tests that passed without the candidate and did not with it.
pub(crate) fn lost(old: &SuiteResult, new: &SuiteResult) -> Vec<String> {
    old.passed()
        .filter(|test| !new.has_passed(test))
        .cloned()
        .collect()
}

/// True when running the lost tests once more can still tell something.
pub(crate) fn worth_another_run(old: &SuiteResult, new: &SuiteResult) -> bool {
    let lost = lost(old, new);
    new.broken.is_none()
        && !lost.is_empty()
        && lost.len() <= MAX_FLAKY
        && lost.iter().all(|test| new.collected.contains(test))
}

/// `again` is a second run with the candidate of only those tests that were lost.
pub(crate) fn check(old: &SuiteResult, new: &SuiteResult, again: Option<&SuiteResult>) -> Found {
    let passed = old.passed().count();
    if old.none {
        return Found::inconclusive("no tests found");
    }
    if let Some(reason) = &old.broken {
        return Found::inconclusive(format!(
            "the tests cannot be run without the candidate either: {reason}"
        ));
    }
    if passed == 0 {
        return Found::inconclusive("no test passes without the candidate");
    }
    if let Some(reason) = &new.broken {
        return Found::failed("tests.broken", format!("with the candidate, {reason}"));
    }
    if new.none {
        return Found::failed(
            "tests.vanished",
            "with the candidate there are no tests any more",
        );
    }
    let lost = lost(old, new);
    let flaky: Vec<String> = lost
        .iter()
        .filter(|test| again.is_some_and(|again| again.broken.is_none() && again.has_passed(test)))
        .cloned()
        .collect();
    let worse: Vec<String> = lost
        .into_iter()
        .filter(|test| !flaky.contains(test))
        .collect();
    let better = new
        .passed()
        .filter(|test| old.collected.contains(*test) && !old.has_passed(test))
        .count();
    let found = match worse.first() {
        None => {
            let mut summary = format!("{passed} tests pass as before");
            if better > 0 {
                summary.push_str(&format!(", and {better} more"));
            }
            if !flaky.is_empty() {
                summary.push_str(&format!("; flaky: {}", flaky.join(", ")));
            }
            Found::passed(summary)
        }
        Some(first) => {
            let how = match new.outcomes.get(first) {
                Some(_) => "no longer passes",
                None => "no longer runs",
            };
            let more = match worse.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            Found::failed("tests.worse", format!("{first} {how}{more}"))
        }
    };
    found
        .with("passed_before", passed)
        .with("better", better)
        .with("worse", worse)
        .with("flaky", flaky)
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::suite::TestOutcome;
    use homeostasis_domain::CheckStatus;
    use std::collections::{BTreeMap, BTreeSet};

    fn result(tests: &[(&str, TestOutcome)]) -> SuiteResult {
        SuiteResult {
            broken: None,
            none: false,
            status: Some(0),
            collected: tests.iter().map(|(name, _)| name.to_string()).collect(),
            outcomes: tests
                .iter()
                .map(|(name, outcome)| (name.to_string(), *outcome))
                .collect(),
            texts: BTreeMap::new(),
            milliseconds: 1.0,
        }
    }

    fn status(old: &SuiteResult, new: &SuiteResult) -> CheckStatus {
        check(old, new, None).status
    }

    #[test]
    fn fewer_skipped_or_failing_tests_are_a_failure() {
        use TestOutcome::{Error, Failed, Passed, Skipped};
        let old = result(&[("a", Passed), ("b", Passed), ("c", Failed)]);
        assert_eq!(status(&old, &old), CheckStatus::Passed);
        assert_eq!(
            status(&old, &result(&[("a", Passed), ("b", Passed), ("c", Error)])),
            CheckStatus::Passed
        );
        for outcome in [Failed, Error, Skipped] {
            assert_eq!(
                status(
                    &old,
                    &result(&[("a", Passed), ("b", outcome), ("c", Passed)])
                ),
                CheckStatus::Failed
            );
        }
        assert_eq!(status(&old, &result(&[("a", Passed)])), CheckStatus::Failed);
        assert_eq!(status(&old, &result(&[])), CheckStatus::Failed);
    }

    #[test]
    fn what_cannot_be_measured_is_no_success() {
        let good = result(&[("a", TestOutcome::Passed)]);
        let broken = SuiteResult {
            broken: Some("stopped".into()),
            ..good.clone()
        };
        let none = SuiteResult {
            none: true,
            collected: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            ..good.clone()
        };
        assert_eq!(status(&none, &none), CheckStatus::Inconclusive);
        assert_eq!(status(&broken, &good), CheckStatus::Inconclusive);
        assert_eq!(status(&good, &broken), CheckStatus::Failed);
        assert_eq!(status(&good, &none), CheckStatus::Failed);
    }

    #[test]
    fn a_lost_test_that_passes_when_run_again_is_flaky() {
        let old = result(&[("a", TestOutcome::Passed), ("b", TestOutcome::Passed)]);
        let new = result(&[("a", TestOutcome::Passed), ("b", TestOutcome::Failed)]);
        assert!(worth_another_run(&old, &new));
        let found = check(&old, &new, Some(&result(&[("b", TestOutcome::Passed)])));
        assert_eq!(found.status, CheckStatus::Passed);
        assert!(found.summary.contains("flaky: b"), "{}", found.summary);
    }
}
