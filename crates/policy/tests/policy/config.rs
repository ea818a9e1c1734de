//! The policy's text: defaults, what is taken, and that a mistake is told with its line.

use homeostasis_domain::FaultCode;
use homeostasis_policy::{ClassPattern, Mode, PathPattern, PolicyConfig};
use std::path::Path;

#[test]
fn without_a_file_the_mode_is_propose() {
    let policy = PolicyConfig::from_toml("").unwrap();
    assert_eq!(policy, PolicyConfig::default());
    assert_eq!(policy.mode, Mode::Propose);
}

#[test]
fn a_policy_reads_back_as_it_was_written() {
    let policy = PolicyConfig::from_toml(
        "mode = \"auto\"\nauto = [\"data.*\"]\nnever = [\"auth\"]\nprotect_paths = [\"billing/**\"]\n",
    )
    .unwrap();
    let again = PolicyConfig::from_toml(&toml::to_string(&policy).unwrap()).unwrap();
    assert_eq!(policy, again);
    assert_eq!(policy.mode.to_string(), "auto");
    assert_eq!("auto".parse(), Ok(Mode::Auto));
    assert!("automatic".parse::<Mode>().unwrap_err().contains("propose"));
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let cases = [
        ("mode = \"propose\"\nnevr = []\n", "line 2", "nevr"),
        ("\n\nmode = \"automatic\"\n", "line 3", "automatic"),
        (
            "mode = \"auto\"\nnever = [\"auth\", \"data.missing_kye\"]\n",
            "line 2",
            "data.missing_kye",
        ),
        ("auto = [\"data.[\"]\n", "line 1", "not a pattern"),
        (
            "protect_paths = [\"/etc/**\"]\n",
            "line 1",
            "below the program's folder",
        ),
        ("mode = \n", "line 1", ""),
    ];
    for (text, line, word) in cases {
        let error = PolicyConfig::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(line) && error.contains(word), "{error}");
    }
}

#[test]
fn a_class_pattern_is_a_branch_of_the_taxonomy_or_a_glob() {
    let matches = |pattern: &str, class: &str| {
        ClassPattern::try_from(pattern.to_string())
            .unwrap()
            .matches(&FaultCode::new(class))
    };
    assert!(matches("data", "data.missing_key"));
    assert!(matches("data.*", "data.missing_key"));
    assert!(matches("*.missing_*", "data.missing_key"));
    assert!(matches("*", "null.dereference"));
    assert!(!matches("data", "database.missing_key"));
    assert!(!matches("data.missing_key", "data.missing_keys"));
}

#[test]
fn a_path_pattern_covers_what_is_inside_a_folder_it_names() {
    let matches = |pattern: &str, path: &str| {
        PathPattern::try_from(pattern.to_string())
            .unwrap()
            .matches(Path::new(path))
    };
    assert!(matches("billing/**", "billing/tax/rates.py"));
    assert!(matches("billing/", "billing/tax/rates.py"));
    assert!(matches("./billing", "billing/tax/rates.py"));
    assert!(matches("*/rates.py", "billing/rates.py"));
    assert!(!matches("*/rates.py", "billing/tax/rates.py"));
    assert!(!matches("billing", "shop/billing.py"));
}
