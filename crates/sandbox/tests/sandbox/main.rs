//! The sandbox, tried with real programs that try to get out, stay, or take too much.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contained;
mod ended;
mod limited;
mod ordinary;
mod world;
