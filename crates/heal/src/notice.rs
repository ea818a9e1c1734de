//! What people following along are told, as it happens.

use homeostasis_domain::heal::Entry;
use homeostasis_domain::{Incident, IncidentId};
use homeostasis_store::Pruned;
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// A process of the program is connected.
    Connected {
        /// Process id.
        pid: u32,
    },
    /// A process of the program went away.
    Gone {
        /// Process id.
        pid: u32,
    },
    /// A failure that was not known before.
    Incident {
        /// What is known of it.
        incident: Box<Incident>,
    },
    /// A heal went on.
    Heal {
        /// Which incident.
        incident: IncidentId,
        /// What was appended to its log.
        entry: Box<Entry>,
    },
    /// What was too old or too much has gone.
    Pruned {
        /// How much of what.
        pruned: Pruned,
    },
    /// Something that was not taken, or that Homeostasis could not do.
    Trouble {
        /// What, and what to do.
        text: String,
    },
}
