//! The helper process: single-threaded, sets one sandbox up, watches it, kills it, reports; it never judges a result.
//!
//! In the order of one run: [`namespace`], [`group`], [`scratch`], [`tree`], [`arguments`], [`start`], [`watch`],
//! [`collect`].

mod arguments;
mod capture;
mod collect;
mod group;
mod namespace;
mod processes;
mod scratch;
mod start;
mod tree;
mod watch;

use crate::error::SandboxError;
use crate::report::{Report, Support};
use crate::spec::Spec;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// The hidden subcommand by which a launcher becomes the helper.
pub const SUBCOMMAND: &str = "__sandbox";

/// The largest specification that is read.
const MAX_MESSAGE: u64 = 256 << 20;

/// Reads a specification from standard input, runs it, and writes the report to standard output.
///
/// To be called first thing in `main`, before any thread exists. Standard input must stay open: when it closes, the
/// sandbox is killed.
pub fn helper_main() -> ExitCode {
    let answer = read_spec().and_then(|spec| supervise(&spec));
    let sent = serde_json::to_vec(&answer)
        .map_err(std::io::Error::from)
        .and_then(|bytes| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&bytes)?;
            stdout.flush()
        });
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is left to read the report.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Where bubblewrap is installed, if it is.
pub(crate) fn find_bubblewrap() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/bin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .chain(usual)
        .map(|folder| folder.join("bwrap"))
        .find(|program| program.is_file())
}

fn read_spec() -> Result<Spec, SandboxError> {
    let refused = |reason: String| SandboxError::Refused { reason };
    let mut stdin = std::io::stdin().lock();
    let mut length = [0; 8];
    stdin
        .read_exact(&mut length)
        .map_err(|error| refused(format!("no specification on standard input: {error}")))?;
    let length = u64::from_be_bytes(length);
    if length > MAX_MESSAGE {
        return Err(refused(format!(
            "a specification of {length} bytes is too large"
        )));
    }
    let mut message = vec![0; length as usize];
    stdin
        .read_exact(&mut message)
        .map_err(|error| refused(format!("the specification ends early: {error}")))?;
    serde_json::from_slice(&message).map_err(|error| refused(error.to_string()))
}

fn supervise(spec: &Spec) -> Result<Report, SandboxError> {
    let begun = Instant::now();
    spec.validate()
        .map_err(|reason| SandboxError::Refused { reason })?;
    let bubblewrap = find_bubblewrap().ok_or(SandboxError::BubblewrapMissing)?;
    let group = group::Group::make(&spec.limits);
    let identity = namespace::enter()?;
    let scratch = scratch::Scratch::mount(spec)?;
    let overlay = tree::show(spec, &scratch)?;
    tree::write_overrides(spec, &scratch)?;
    scratch.write_inputs(&spec.inputs)?;
    let arguments = arguments::bubblewrap(spec, &scratch, identity);
    let started = start::start(&bubblewrap, &arguments, spec, &group)?;
    let setup = begun.elapsed();
    let watched = watch::watch(started, spec, &group)?;
    let (outputs, omitted) = collect::outputs(&scratch.outputs());
    Ok(Report {
        exit: watched.exit,
        stdout: watched.stdout,
        stderr: watched.stderr,
        outputs,
        omitted,
        wall: watched.wall,
        setup,
        cpu: watched.cpu,
        memory_peak: watched.memory_peak,
        disk_used: scratch.used(),
        support: Support {
            overlay,
            memory_group: group.bounds_memory(),
            process_group: group.bounds_processes(),
        },
    })
}
