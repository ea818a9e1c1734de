//! An incident: events with one fingerprint in one service and environment.

use crate::id::{Fingerprint, IncidentId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of one recurring failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Short and stable.
    pub id: IncidentId,
    /// Service.
    pub service: String,
    /// Environment.
    pub environment: String,
    /// Fingerprint shared by its events.
    pub fingerprint: Fingerprint,
    /// One line: error type and message of the first event.
    pub title: String,
    /// Where: function and file of the failing frame.
    pub culprit: String,
    /// Method and path pattern, for failures inside requests.
    pub route: Option<String>,
    /// First occurrence.
    pub first_seen: Timestamp,
    /// Latest occurrence.
    pub last_seen: Timestamp,
    /// Occurrences, captured or only counted.
    pub count: u64,
}
