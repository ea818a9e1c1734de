//! The checks, tried with real edits, real programs and hostile test suites.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hostile;
mod judging;
mod structure;
mod trials;
mod world;
