//! `homeostasis.toml`: optional, read from the program's root folder; unknown keys are errors.

use crate::exit::{self, Stop};
use crate::expressions;
use anyhow::Result;
use homeostasis_policy::PolicyConfig;
use homeostasis_protocol::AgentConfig;
use homeostasis_store::Retention;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// All settings; every one has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Name of the service.
    pub(crate) service: Option<String>,
    /// Name of the environment.
    pub(crate) environment: Option<String>,
    /// What may be healed by itself.
    pub(crate) policy: PolicyConfig,
    /// The program's test suite.
    pub(crate) tests: Tests,
    /// What the agent captures.
    pub(crate) agent: AgentConfig,
    /// What is kept, and how.
    pub(crate) store: Keeping,
    /// Further folders with rules.
    pub(crate) rules: Vec<PathBuf>,
    /// Heals that may be in trials at once.
    pub(crate) parallel_trials: Option<usize>,
}

/// What is kept, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keeping {
    /// File with the key that it is encrypted with; a relative one is below the program's root folder.
    pub(crate) key_file: Option<PathBuf>,
    /// For so many days.
    pub(crate) keep_days: Option<NonZeroU32>,
    /// So much of it.
    pub(crate) max_megabytes: Option<NonZeroU32>,
}

impl Keeping {
    /// How long and how much is kept.
    pub(crate) fn retention(&self) -> Retention {
        let usual = Retention::default();
        let megabytes = |count: NonZeroU32| u64::from(count.get()) * 1024 * 1024;
        Retention {
            days: self.keep_days.map_or(usual.days, NonZeroU32::get),
            bytes: self.max_megabytes.map_or(usual.bytes, megabytes),
        }
    }
}

/// The program's test suite.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tests {
    /// The command that runs it; default: found by itself.
    pub(crate) command: Option<Vec<String>>,
    /// How long one run of it may take.
    pub(crate) seconds: Option<NonZeroU32>,
}

/// Reads the settings of a program; the defaults when there is no file.
pub(crate) fn read(root: &Path) -> Result<Settings> {
    let path = root.join("homeostasis.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Settings::default());
        }
        Err(error) => {
            return Err(Stop::new(
                exit::USAGE,
                format!("cannot read {}: {error}", path.display()),
                "make it readable, or remove it",
            )
            .into());
        }
    };
    let settings = toml::from_str(&text).map_err(|error| {
        let message = format!("{} is not right: {error}", path.display());
        Stop::new(
            exit::USAGE,
            message,
            "docs/configuration.md lists all settings",
        )
    })?;
    check_expressions(&path, &text)?;
    Ok(settings)
}

/// The expressions of a file once more, with their places in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Placed {
    agent: PlacedAgent,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlacedAgent {
    redact_patterns: Vec<Spanned<String>>,
}

/// Refuses what agents could not use, rather than to have them leave a secret where it is.
fn check_expressions(path: &Path, text: &str) -> Result<(), Stop> {
    let placed: Placed = toml::from_str(text).unwrap_or_default();
    for expression in &placed.agent.redact_patterns {
        if let Err(refusal) = expressions::check(expression.get_ref()) {
            let before = text.get(..expression.span().start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = format!(
                "{} is not right: line {line}: the expression {:?} of redact_patterns {refusal}",
                path.display(),
                expression.get_ref()
            );
            return Err(Stop::new(
                exit::USAGE,
                message,
                "docs/configuration.md says which expressions can be used",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("homeostasis.toml"), text).unwrap();
        read(folder.path())
    }

    #[test]
    fn expressions_of_secrets_go_to_the_agents() {
        let settings = read_text("[agent]\nredact_patterns = ['ACME-\\d{6}']\n").unwrap();
        assert_eq!(settings.agent.redact_patterns, ["ACME-\\d{6}"]);
    }

    #[test]
    fn an_expression_that_agents_could_not_use_is_refused_with_its_line_and_a_remedy() {
        let text =
            "service = 'shop'\n[agent]\nredact_patterns = [\n  'ACME-\\d{6}',\n  '(a+)+b',\n]\n";
        let error = read_text(text).unwrap_err();
        let stop = error.downcast_ref::<Stop>().unwrap();
        assert_eq!(stop.code, exit::USAGE);
        assert!(
            stop.message
                .contains("homeostasis.toml is not right: line 5:"),
            "{stop}"
        );
        assert!(
            stop.message
                .contains("\"(a+)+b\" of redact_patterns repeats what"),
            "{stop}"
        );
        assert!(stop.remedy.contains("docs/configuration.md"));
    }
}
