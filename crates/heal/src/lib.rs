//! The orchestrator: the only crate that knows all stages.
//!
//! In reading order: [`config`] says what is watched; [`intake`] turns what comes in into incidents and opens heals;
//! [`drive`] carries one heal on, step by step, from its log; [`steps`] are what the steps do; [`commands`] are what
//! people may do; [`tidy`] looks after what no step looks after. [`Healer`] is the handle to all of it.
//!
//! The log is the truth. A step is performed, then its event is appended, then the state is folded anew; every step
//! may therefore be repeated after a crash, and each is written so that repeating it does no harm.

pub mod commands;
pub mod config;
mod counters;
mod drive;
mod gather;
mod handle;
mod intake;
mod notice;
mod replay;
mod roster;
mod snapshot;
mod steps;
mod tidy;
mod unplaced;
mod versions;
mod witnesses;

pub use commands::CommandError;
pub use config::Config;
pub use handle::{Healer, StartError, Status};
pub use notice::Notice;
pub use tidy::in_force;
