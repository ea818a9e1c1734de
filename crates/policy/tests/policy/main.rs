//! Tests of policy through its public API: decisions, the guard, the configuration and the audit chain.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod config;
mod decide;
mod guard;
