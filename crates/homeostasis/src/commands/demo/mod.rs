//! `demo`: a sick program under traffic, healed before your eyes, and then checked against what it should be.
//!
//! In reading order: [`run`] is the whole course; [`patient`] lays the program down, [`venv`] makes its environment,
//! [`program`] starts it under `homeostasis run`; [`model`] says what clients ask and must get, [`client`] asks,
//! [`judge`] compares, [`traffic`] does so all the time; [`watch`] follows the incidents, [`matching`] tells which bug
//! one is; [`check`] asks everything once more at the end, and [`report`] says what came of it.

mod check;
mod client;
mod judge;
mod matching;
mod model;
mod patient;
mod program;
mod report;
mod run;
mod traffic;
mod venv;
mod watch;

pub(crate) use run::run;
