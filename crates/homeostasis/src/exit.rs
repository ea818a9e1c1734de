//! Exit codes, and the one place where an error is printed. `docs/exit-codes.md` is the same list for people.

use std::process::ExitCode;

/// Something was looked for and is not there, or a check failed (`audit verify`, `rules test`, `doctor`).
pub(crate) const NOT_FOUND: u8 = 1;
/// The command line or a setting is wrong (also what clap uses).
pub(crate) const USAGE: u8 = 2;
/// The command is understood and cannot be carried out as things stand (nothing waits for approval ...).
pub(crate) const REFUSED: u8 = 3;
/// The world failed: store, network, sandbox.
pub(crate) const FAILED: u8 = 4;
/// The program to be watched cannot be started (as shells do).
pub(crate) const CANNOT_START: u8 = 127;

/// An error that has its own exit code and says what to do.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Exit code.
    pub(crate) code: u8,
    /// What happened and why.
    pub(crate) message: String,
    /// What to do next; may be empty.
    pub(crate) remedy: String,
}

impl Stop {
    pub(crate) fn new(code: u8, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

/// Prints an error with its sources and remedy, and gives its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let line = error
        .chain()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ");
    let stop = error.downcast_ref::<Stop>();
    crate::printing::error(
        &line,
        stop.map(|stop| stop.remedy.as_str()).unwrap_or_default(),
    );
    ExitCode::from(stop.map_or(FAILED, |stop| stop.code))
}
