//! What is watched and how: everything the orchestrator is told at start.

use homeostasis_policy::PolicyConfig;
use homeostasis_store::Retention;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What is watched and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the service.
    pub service: String,
    /// Name of the environment.
    pub environment: String,
    /// Policy, with the mode.
    pub policy: PolicyConfig,
    /// The program's command line, as the user gave it.
    pub command: Vec<String>,
    /// Where it was started.
    pub cwd: PathBuf,
    /// The folder whose files belong to the program.
    pub root: PathBuf,
    /// Variables the program was started with.
    pub variables: BTreeMap<String, String>,
    /// Folder of the Python agent.
    pub agent: PathBuf,
    /// The binary that re-executes itself as the sandbox's helper.
    pub launcher: PathBuf,
    /// Command that runs the program's tests, where it is not found by itself.
    pub tests: Option<Vec<String>>,
    /// How long one run of the tests may take, where it is not the usual time.
    pub tests_time: Option<Duration>,
    /// Heals that may be in trials at once.
    pub parallel: usize,
    /// How long and how much is kept.
    pub retention: Retention,
}
