//! A rollout: the accepted candidate reaching the running program in stages.

use crate::id::{CandidateId, SwapId};
use serde::{Deserialize, Serialize};

/// What is to be done, as a value that can be printed before anything is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutPlan {
    /// Id of the swap.
    pub swap: SwapId,
    /// What is rolled out.
    pub candidate: CandidateId,
    /// How: `swap`.
    pub driver: String,
    /// Files with content hashes before and after.
    pub files: Vec<PlannedFile>,
    /// The process that goes first.
    pub canary: Option<u32>,
    /// All processes of the program that were connected.
    pub processes: Vec<u32>,
}

/// A file to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Absolute path.
    pub path: String,
    /// Content hash before.
    pub old_sha256: String,
    /// Content hash after.
    pub new_sha256: String,
}

/// What was counted while watching, since a stage began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Requests on the incident's route that were answered on the new code.
    pub requests: u64,
    /// Of these, how many ended in an unhandled exception of any kind.
    pub failed: u64,
    /// Occurrences of the incident's own fingerprint.
    pub recurrences: u64,
    /// Fingerprints never seen before whose frames pass through the edited functions.
    pub new_failures: Vec<String>,
    /// Length of the watch.
    pub seconds: f64,
    /// Share of the route's requests that failed before the heal, from 0 to 1.
    pub failure_rate_before: f64,
    /// Probability of seeing so few recurrences if the old failure rate still held.
    pub chance_by_luck: f64,
}
