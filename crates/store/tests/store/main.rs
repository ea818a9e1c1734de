//! Tests of the store through its public API, on real files and real processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod backup;
mod child;
mod concurrency;
mod disk;
mod events;
mod log;
mod opening;
mod retention;
mod samples;
mod sealing;
mod traffic;
