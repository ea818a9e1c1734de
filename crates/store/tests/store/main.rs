//! Tests of the store through its public API, on real files and real processes.

mod audit;
mod events;
mod log;
mod samples;
mod traffic;
