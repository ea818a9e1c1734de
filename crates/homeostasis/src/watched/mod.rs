//! The program that is watched: the agent it gets, starting it, finding it again, waiting for its end.

mod agent;
mod process;

pub(crate) use agent::unpack;
pub(crate) use process::{Ended, Watched};
