//! The eight nouns, their ids, the fault taxonomy and the heal state machine.
//!
//! This crate is pure: no IO, no clock, no randomness, no logging. Time and ids come in as arguments, so that any
//! heal can be replayed from its log and ends in the same state.
//!
//! In the order of one failure: [`event`], [`incident`], [`diagnosis`], [`candidate`], [`trial`], [`verdict`],
//! [`rollout`], [`outcome`]; and [`heal`], which folds the log of one heal into its state.

pub mod candidate;
pub mod capsule;
pub mod diagnosis;
pub mod event;
pub mod fault;
pub mod heal;
pub mod id;
pub mod incident;
pub mod outcome;
pub mod references;
pub mod rollout;
pub mod trial;
pub mod value;
pub mod verdict;

pub use candidate::{Answer, Candidate, CandidateOrigin, FileEdit, Safety};
pub use capsule::Capsule;
pub use diagnosis::{Diagnosis, Hypothesis, Location, Operand, Origin};
pub use event::Event;
pub use fault::FaultCode;
pub use id::{CandidateId, EventId, Fingerprint, HealId, IncidentId, SwapId};
pub use incident::Incident;
pub use outcome::Outcome;
pub use trial::{Check, CheckName, CheckStatus, Trial};
pub use value::Value;
pub use verdict::{Decision, Verdict};
