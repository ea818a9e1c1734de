//! One file a command.

mod audit;
mod capsule;
mod decide;
mod demo;
mod doctor;
mod incidents;
pub(crate) mod keep;
mod key;
mod rules;
mod run;
mod status;

use crate::cli::{Cli, Command};
use anyhow::{Context, Result};
use std::process::ExitCode;

/// Becomes the sandbox's helper when called as such.
pub(crate) fn sandbox_helper() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != homeostasis_sandbox::SUBCOMMAND {
        return None;
    }
    Some(homeostasis_sandbox::helper_main())
}

/// Runs the command to its end.
pub(crate) fn dispatch(arguments: Cli) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Status(arguments) => status::run(arguments).await,
            Command::Incidents(arguments) => incidents::list(arguments).await,
            Command::Explain(arguments) => incidents::explain(arguments).await,
            Command::Diff(arguments) => incidents::diff(arguments).await,
            Command::Capsule(arguments) => capsule::run(arguments).await,
            Command::Approve(arguments) => decide::decide("approve", arguments).await,
            Command::Reject(arguments) => decide::decide("reject", arguments).await,
            Command::Rollback(arguments) => decide::decide("rollback", arguments).await,
            Command::Stop(arguments) => decide::stop(arguments).await,
            Command::Audit(arguments) => audit::run(arguments).await,
            Command::Store(arguments) => keep::run(arguments).await,
            Command::Key(arguments) => key::run(arguments).await,
            Command::Rules(arguments) => rules::run(arguments.command),
            Command::Doctor(arguments) => doctor::run(arguments).await,
            Command::Demo(arguments) => demo::run(arguments).await,
        }
    });
    // What still runs in the background is not waited for: the log says where to go on.
    runtime.shutdown_background();
    code
}
