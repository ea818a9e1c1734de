//! A verdict: which candidate, if any, with reasons as data; and what policy says to it.

use crate::id::CandidateId;
use serde::{Deserialize, Serialize};

/// The judge's conclusion over all trials of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The candidate to roll out; `None` is abstaining.
    pub chosen: Option<CandidateId>,
    /// Why, and why not the others.
    pub reasons: Vec<Reason>,
    /// One sentence for people.
    pub summary: String,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// About which candidate; `None` is about all.
    pub candidate: Option<CandidateId>,
    /// Stable code (`heals`, `silences.skips_write`, `tests.worse` ...).
    pub code: String,
    /// Whether it speaks for or against.
    pub weight: Weight,
    /// One sentence for people.
    pub text: String,
}

/// Which way a reason points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Speaks for it.
    For,
    /// Speaks against it without deciding.
    Against,
    /// Decides against it.
    Refuses,
}

/// What policy says to a verified candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Roll it out.
    Go,
    /// Wait for a person.
    Ask,
    /// Do not roll it out.
    Forbid,
}
