//! `homeostasis.toml`: optional, read from the program's root folder; unknown keys are errors.

use crate::exit::{self, Stop};
use anyhow::Result;
use homeostasis_policy::PolicyConfig;
use homeostasis_protocol::AgentConfig;
use homeostasis_store::Retention;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

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
    toml::from_str(&text).map_err(|error| {
        let message = format!("{} is not right: {error}", path.display());
        Stop::new(
            exit::USAGE,
            message,
            "docs/configuration.md lists all settings",
        )
        .into()
    })
}
