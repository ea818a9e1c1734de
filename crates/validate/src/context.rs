//! Everything the checks of one incident need to know; gathered by the caller, read-only here.

use crate::program::Program;
use crate::suite::Suite;
use homeostasis_domain::capsule::{Request, Witness};
use homeostasis_domain::{Capsule, Fingerprint};
use homeostasis_sandbox::Limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Names a failure; the stage that groups events knows how.
pub type FingerprintOf = Arc<dyn Fn(&Capsule) -> Fingerprint + Send + Sync>;

/// One incident, ready for trials.
#[derive(Clone)]
pub struct Context {
    /// How the program is started.
    pub program: Program,
    /// A snapshot of the program's folder.
    pub tree: PathBuf,
    /// The failure.
    pub capsule: Capsule,
    /// Healthy exchanges on the same route.
    pub witnesses: Vec<Witness>,
    /// What the failure is called.
    pub fingerprint: Fingerprint,
    /// How failures are called.
    pub fingerprint_of: FingerprintOf,
    /// The program's tests, when there are any.
    pub suite: Option<Suite>,
    /// What runs may use.
    pub limits: TrialLimits,
    /// How the failure is run again.
    pub way: Way,
    /// The binary that becomes the sandbox's helper.
    pub launcher: PathBuf,
}

/// How a failure is run again, where there is a choice; the reproduction finds out which one shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Databases in files (SQLite) answer as was recorded, instead of being read as they are now.
    #[serde(default)]
    pub recorded_files: bool,
    /// Outside of requests the failing function is called again, instead of running the whole program.
    #[serde(default)]
    pub call: bool,
}

/// What the two kinds of runs may use.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialLimits {
    /// Starting the program and replaying a few requests.
    pub replay: Limits,
    /// Running the test suite.
    pub suite: Limits,
}

impl TrialLimits {
    /// The usual limits, with this long for one run of the test suite. It may keep two processors busy.
    pub fn with_suite_of(wall: Duration) -> Self {
        Self {
            replay: Limits {
                wall: Duration::from_secs(45),
                cpu: Duration::from_secs(60),
                ..Limits::default()
            },
            suite: Limits {
                wall,
                cpu: wall * 2,
                ..Limits::default()
            },
        }
    }
}

impl Default for TrialLimits {
    fn default() -> Self {
        Self::with_suite_of(Duration::from_secs(300))
    }
}

impl Context {
    /// The witnesses that can be sent again: all of the body is there.
    pub(crate) fn sendable(&self) -> Vec<&Witness> {
        self.witnesses
            .iter()
            .filter(|witness| !witness.request.body.truncated)
            .collect()
    }

    /// The request that failed.
    pub(crate) fn request(&self) -> Option<&Request> {
        self.capsule.request.as_ref()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Context")
            .field("root", &self.program.root)
            .field("tree", &self.tree)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
