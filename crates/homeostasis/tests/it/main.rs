//! The whole loop from outside: the real binary, a real program under a real server, real traffic.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod counting;
mod crash;
mod healing;
mod keeping;
mod support;
