//! The accepted candidate reaching the running program, and coming back.
//!
//! [`drivers`] do it (plan, start, promote, take back; each idempotent); [`files`] replaces source files atomically;
//! [`canary`] and [`effect`] are the pure judgements on what was counted meanwhile. Deciding *whether* to roll out is
//! done elsewhere.

pub mod canary;
pub mod drivers;
pub mod effect;
pub mod files;
pub mod luck;
