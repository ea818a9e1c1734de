//! A trial: one candidate (or the unpatched program) run against the checks in a sandbox.

use crate::id::CandidateId;
use serde::{Deserialize, Serialize};

/// The checks of one candidate, or of the unpatched program when `candidate` is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was tried.
    pub candidate: Option<CandidateId>,
    /// In the order they ran.
    pub checks: Vec<Check>,
    /// Wall time of the whole trial.
    pub milliseconds: f64,
}

/// One check with what it measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// How it ended.
    pub status: CheckStatus,
    /// One sentence for people.
    pub summary: String,
    /// The measurement as data.
    #[serde(default)]
    pub detail: serde_json::Value,
    /// Wall time.
    pub milliseconds: f64,
}

/// The checks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The edited files parse and compile.
    Builds,
    /// The unpatched program fails again with the same fingerprint.
    Reproduces,
    /// The patched program no longer fails on the capsule and answers as the candidate says.
    Heals,
    /// The program's own tests are no worse than without the candidate.
    Tests,
    /// Recorded healthy requests are answered as before.
    Replay,
    /// The failure is cured, not hidden: no work that healthy requests do is skipped.
    Silencing,
    /// The edit keeps within what an edit may touch.
    Static,
}

/// How a check ended. *Measured and bad* is not *could not measure*, and no measurement is never a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Measured and good.
    Passed,
    /// Measured and bad.
    Failed,
    /// The check itself broke.
    Error,
    /// It ran and cannot tell.
    Inconclusive,
}

impl Trial {
    /// The check with this name.
    pub fn check(&self, name: CheckName) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// True when something was checked, nothing failed or broke, and the failure was shown to be gone.
    /// A program without tests has an inconclusive `tests`, which is not held against the candidate here.
    pub fn is_clean(&self) -> bool {
        let tolerable = |check: &Check| match check.status {
            CheckStatus::Passed => true,
            CheckStatus::Inconclusive => matches!(check.name, CheckName::Tests | CheckName::Replay),
            CheckStatus::Failed | CheckStatus::Error => false,
        };
        self.passed(CheckName::Heals) && self.checks.iter().all(tolerable)
    }

    /// True when the named check passed.
    pub fn passed(&self, name: CheckName) -> bool {
        self.check(name)
            .is_some_and(|check| check.status == CheckStatus::Passed)
    }
}

impl CheckName {
    /// As shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckName::Builds => "builds",
            CheckName::Reproduces => "reproduces",
            CheckName::Heals => "heals",
            CheckName::Tests => "tests",
            CheckName::Replay => "replay",
            CheckName::Silencing => "silencing",
            CheckName::Static => "static",
        }
    }
}

impl CheckStatus {
    /// As shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckStatus::Passed => "passed",
            CheckStatus::Failed => "failed",
            CheckStatus::Error => "error",
            CheckStatus::Inconclusive => "inconclusive",
        }
    }
}
