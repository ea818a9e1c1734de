//! The one binary: parses, builds, runs, exits.

mod cli;
mod client;
mod commands;
mod exit;
mod folder;
mod key;
mod printing;
mod settings;
mod watched;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox's helper must stay single-threaded, so it branches off before any runtime exists.
    if let Some(code) = commands::sandbox_helper() {
        return code;
    }
    let arguments = cli::Cli::parse();
    printing::start_logging(arguments.verbose);
    match commands::dispatch(arguments) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
