//! The built-in rules against their own cases: every rule loads, matches and wins where it says so, and is silent elsewhere.

use homeostasis_repair::check_cases;
use homeostasis_rulepack::{Pack, load};

fn built_in() -> Pack {
    let (pack, errors) = load(&[]);
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", shown.join("\n"));
    pack
}

#[test]
fn every_built_in_rule_passes_its_own_cases() {
    let report = check_cases(&built_in(), None);
    let failed: Vec<String> = report
        .results
        .iter()
        .filter(|result| !result.passed)
        .map(|result| {
            format!(
                "{}:{} {} / {}\n{}",
                result.file,
                result.line,
                result.rule,
                result.case,
                result.problems.join("\n")
            )
        })
        .chain(report.incomplete.iter().cloned())
        .collect();
    assert!(
        report.passed(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        report.results.len(),
        failed.join("\n\n")
    );
}
