//! An event: one occurrence that came in.

use crate::capsule::{Capsule, Witness};
use crate::id::{EventId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One captured occurrence of a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Given on arrival.
    pub id: EventId,
    /// Service it came from.
    pub service: String,
    /// Environment it came from.
    pub environment: String,
    /// When it happened, by the clock of the program.
    pub time: Timestamp,
    /// When it arrived here.
    pub received: Timestamp,
    /// The agent's own name for the failure; matches later counts.
    pub signature: String,
    /// What makes it the same failure as another.
    pub fingerprint: Fingerprint,
    /// All that was kept of it.
    pub capsule: Capsule,
    /// Recent successful exchanges on the same route.
    #[serde(default)]
    pub witnesses: Vec<Witness>,
}
