//! The whole loop from outside: the real binary, a real program under a real server, real traffic.

mod bad_input;
mod crash;
mod healing;
mod support;
