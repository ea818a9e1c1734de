//! From what comes in to events with a fingerprint.
//!
//! [`agent`] is the connection with the agents; [`group`] decides which failures are the same one. Storing events and
//! acting on them is done elsewhere.

pub mod agent;
pub mod group;
