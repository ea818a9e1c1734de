//! The built-in rules against their own cases: every rule loads, matches and wins where it says so, and is silent elsewhere.

use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::{Diagnosis, FaultCode, Safety};
use homeostasis_repair::{Input, check_case, check_cases, diagnosis_of_case, propose};
use homeostasis_rulepack::{Expectation, Pack, load};
use std::collections::BTreeMap;

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

/// Runs every case that is healed in another formatting of the same code, and expects the same edit in that formatting.
fn check_formatted(format: impl Fn(&str) -> String) {
    let pack = built_in();
    let mut checked = 0;
    let mut failed = Vec::new();
    for rule in pack.rules() {
        for case in &rule.cases {
            let Expectation::Healed { text } = &case.expectation else {
                continue;
            };
            let mut other = case.clone();
            other.sick = format(&case.sick);
            other.expectation = Expectation::Healed { text: format(text) };
            let result = check_case(&pack, rule, &other);
            checked += 1;
            if !result.passed {
                failed.push(format!(
                    "{} / {}\n{}",
                    rule.id,
                    case.name,
                    result.problems.join("\n")
                ));
            }
        }
    }
    assert!(
        checked > 40 && failed.is_empty(),
        "{} of {checked}:\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}

#[test]
fn edits_keep_windows_line_ends() {
    check_formatted(|text| text.replace('\n', "\r\n"));
}

#[test]
fn edits_keep_tabs() {
    check_formatted(|text| {
        text.split_inclusive('\n')
            .map(|line| {
                let rest = line.trim_start_matches(' ');
                let levels = (line.len() - rest.len()) / 4;
                format!("{}{rest}", "\t".repeat(levels))
            })
            .collect()
    });
}

#[test]
fn edits_keep_what_is_not_ascii_and_a_missing_last_line_end() {
    check_formatted(|text| {
        let text = text.strip_suffix('\n').unwrap_or(text);
        format!("# Größe, 大きさ, 🙂\n{text}")
    });
}

#[test]
fn a_text_other_than_the_diagnosed_one_is_left_alone() {
    let pack = built_in();
    let rule = pack.rule("python-missing-import").unwrap();
    let case = &rule.cases[0];
    let (diagnosis, capsule) = diagnosis_of_case(rule, case).unwrap();
    let moved = format!("\n\n{}", case.sick);
    let sources = BTreeMap::from([("/program/case.py".to_string(), moved)]);
    let proposal = propose(&Input {
        diagnosis: &diagnosis,
        capsule: &capsule,
        sources: &sources,
        pack: &pack,
    });
    assert!(proposal.candidates.is_empty());
    assert_eq!(proposal.declined.len(), 1);
}

#[test]
fn a_broken_rule_of_business_is_never_edited_away() {
    let pack = built_in();
    for rule in pack.rules() {
        for case in &rule.cases {
            let (mut diagnosis, capsule) = diagnosis_of_case(rule, case).unwrap();
            for hypothesis in &mut diagnosis.hypotheses {
                hypothesis.cause = Cause::BusinessRule;
            }
            let sources = BTreeMap::from([("/program/case.py".to_string(), case.sick.clone())]);
            let proposal = propose(&Input {
                diagnosis: &diagnosis,
                capsule: &capsule,
                sources: &sources,
                pack: &pack,
            });
            assert!(
                proposal.candidates.is_empty(),
                "{} / {}",
                rule.id,
                case.name
            );
        }
    }
}

#[test]
fn proposals_are_reproducible_and_diffs_are_relative() {
    let pack = built_in();
    for rule in pack.rules() {
        for case in &rule.cases {
            let Expectation::Healed { text } = &case.expectation else {
                continue;
            };
            let (diagnosis, capsule) = diagnosis_of_case(rule, case).unwrap();
            let sources = BTreeMap::from([("/program/case.py".to_string(), case.sick.clone())]);
            let input = Input {
                diagnosis: &diagnosis,
                capsule: &capsule,
                sources: &sources,
                pack: &pack,
            };
            let first = propose(&input);
            assert_eq!(first, propose(&input), "proposals must be reproducible");
            assert_eq!(first.candidates[0].edits[0].new_text, *text);
            assert!(
                first.candidates[0]
                    .diff
                    .starts_with("--- a/case.py\n+++ b/case.py\n")
            );
        }
    }
}

#[test]
fn an_edit_is_as_safe_as_the_hypothesis_that_knows_most_about_it() {
    let pack = built_in();
    let rule = pack.rule("python-none-default").unwrap();
    let case = &rule.cases[0];
    let (mut diagnosis, capsule) = diagnosis_of_case(rule, case).unwrap();
    let sources = BTreeMap::from([("/program/case.py".to_string(), case.sick.clone())]);
    let mut knows_less = diagnosis.hypotheses[0].clone();
    knows_less.class = FaultCode::new("null.dereference");
    let safeties = |diagnosis: &Diagnosis| -> Vec<Safety> {
        let proposal = propose(&Input {
            diagnosis,
            capsule: &capsule,
            sources: &sources,
            pack: &pack,
        });
        proposal
            .candidates
            .iter()
            .map(|candidate| candidate.safety)
            .collect()
    };
    diagnosis.hypotheses.insert(0, knows_less);
    assert_eq!(safeties(&diagnosis), [Safety::Safe]);
    diagnosis.hypotheses.truncate(1);
    assert_eq!(safeties(&diagnosis), [Safety::Unsafe]);
}
