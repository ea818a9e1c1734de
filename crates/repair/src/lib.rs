//! From a diagnosis to candidates: remedies as whole-file edits, each with its reason, its safety and its rank.
//!
//! This stage is pure: it reads what it is given and writes nothing. It proves nothing either; that is what trials are for.
//!
//! In reading order: [`strategies`] make candidates, [`rank`] orders them, and [`cases`] checks rules against their
//! own cases.

mod cases;
mod diff;
mod follow;
mod propose;
mod rank;
pub mod strategies;

pub use cases::{check_case, check_cases, diagnosis_of_case};
pub use follow::{follow, may_follow};
pub use propose::{Input, Proposal, propose};
