//! An outcome: how a heal ended.

use serde::{Deserialize, Serialize};

/// How a heal ended. Every heal ends in exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The symptom is measurably gone on live traffic.
    Healed {
        /// What shows it.
        evidence: String,
    },
    /// It was rolled out and taken back.
    RolledBack {
        /// Why.
        reason: String,
    },
    /// Candidates existed and were refused, by the judge, by policy or by a person.
    Refused {
        /// Why.
        reason: String,
    },
    /// There was nothing worth proposing.
    Abstained {
        /// Why.
        reason: String,
    },
    /// A person has to look at it.
    Escalated {
        /// Why.
        reason: String,
    },
    /// The heal could not be carried to an end (the program or its files went away).
    Lost {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// Stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Healed { .. } => "healed",
            Outcome::RolledBack { .. } => "rolled_back",
            Outcome::Refused { .. } => "refused",
            Outcome::Abstained { .. } => "abstained",
            Outcome::Escalated { .. } => "escalated",
            Outcome::Lost { .. } => "lost",
        }
    }

    /// The sentence that belongs to it.
    pub fn reason(&self) -> &str {
        match self {
            Outcome::Healed { evidence } => evidence,
            Outcome::RolledBack { reason }
            | Outcome::Refused { reason }
            | Outcome::Abstained { reason }
            | Outcome::Escalated { reason }
            | Outcome::Lost { reason } => reason,
        }
    }
}
