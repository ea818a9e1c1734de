//! Ways into the running program. Each has the same files: `plan`, `start`, `promote`, `take_back`.

pub mod swap;
