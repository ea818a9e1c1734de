//! Loading: broken rules are told with file, line and remedy, and never stand in the way of the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostasis_rulepack::{Pack, RuleError, load};
use std::path::Path;

const RULE: &str = "\
id: mine
title: Mine
class: data.missing_key
languages: [python]
match:
  error: [KeyError]
  pattern: $OBJECT[$KEY]
fixes:
  - id: get
    title: Get
    safety: unsafe
    answer: success
    score: 0.5
    rationale: Because.
    edit: {replace: '$OBJECT.get($KEY)'}
";

fn load_with(files: &[(&str, &str)]) -> (Pack, Vec<RuleError>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    load(&[folder.path().to_path_buf()])
}

fn broken(text: &str) -> RuleError {
    let (pack, errors) = load_with(&[("broken.yaml", text), ("mine.yaml", RULE)]);
    assert!(pack.rule("mine").is_some(), "the other rule must load");
    let [error] = errors.as_slice() else {
        panic!("one error is expected, not {errors:?}");
    };
    assert!(error.file.ends_with("broken.yaml") && !error.remedy.is_empty());
    error.clone()
}

#[test]
fn built_in_rules_load_without_an_error() {
    let (pack, errors) = load(&[]);
    assert_eq!(errors, []);
    assert!(pack.rules().count() >= 20);
    assert!(
        pack.rules()
            .all(|rule| !rule.documentation.is_empty() && rule.cases.len() >= 2)
    );
}

#[test]
fn a_rule_of_a_users_folder_replaces_the_built_in_one() {
    let replacing = RULE.replace("id: mine", "id: python-missing-import");
    let (pack, errors) = load_with(&[("own.yml", &replacing)]);
    assert_eq!(errors, []);
    let rule = pack.rule("python-missing-import").unwrap();
    assert_eq!(rule.title, "Mine");
    assert!(rule.file.ends_with("own.yml"));
}

#[test]
fn an_unknown_key_is_told_with_its_line() {
    let error = broken(
        &RULE
            .replace("    score: 0.5\n", "    score: 0.5\n    scores: 1\n")
            .replace("id: mine", "id: other"),
    );
    assert_eq!(error.line, 14);
    assert!(error.problem.contains("scores"), "{error}");
}

#[test]
fn an_unknown_class_fact_or_rule_key_is_told() {
    let other = RULE.replace("id: mine", "id: other");
    let error = broken(&other.replace("data.missing_key", "data.mising_key"));
    assert_eq!(
        (error.line, error.problem.contains("data.mising_key")),
        (3, true)
    );
    let error = broken(&other.replace(
        "  pattern: $OBJECT[$KEY]",
        "  pattern: $OBJECT[$KEY]\n  where: [{fact: red}]",
    ));
    assert!(error.problem.contains("red"), "{error}");
    let error = broken(&other.replace("pattern: $OBJECT[$KEY]", "rule: {pattren: $OBJECT}"));
    assert!(error.problem.contains("pattren"), "{error}");
    let error = broken(&other.replace("pattern: $OBJECT[$KEY]", "pattern: '$OBJECT['"));
    assert!(
        error.line == 7 && error.problem.contains("does not parse"),
        "{error}"
    );
}

#[test]
fn a_metavariable_that_nothing_captures_is_told() {
    let error = broken(
        &RULE
            .replace("id: mine", "id: other")
            .replace("$OBJECT.get($KEY)", "$OBJECT.get($WANTED)"),
    );
    assert!(
        error.problem.contains("$WANTED") && error.line == 15,
        "{error}"
    );
}

#[test]
fn two_rules_of_one_folder_with_one_id_are_told() {
    let (_, errors) = load_with(&[("a.yaml", RULE), ("b.yaml", RULE)]);
    assert!(errors[0].problem.contains("`mine`") && errors[0].file.ends_with("b.yaml"));
}

#[test]
fn a_markdown_rule_with_a_broken_case_is_told_at_the_case() {
    let text = format!("---\n{RULE}---\n# Mine\n\n## Cases\n\n### One\n\n```python sick\nx\n```\n");
    let (pack, errors) = load_with(&[("mine.md", &text)]);
    assert!(pack.rule("mine").is_none());
    assert_eq!(errors[0].line, 22);
    assert!(errors[0].problem.contains("yaml raised"));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_the_rest_loads() {
    let (pack, errors) = load(&[Path::new("/nowhere/at/all").to_path_buf()]);
    assert!(errors.len() == 1 && pack.rules().count() > 0);
}
