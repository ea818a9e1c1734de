//! Starts bubblewrap with its limits in place, as a child that cannot outlive this process.

use super::group::Group;
use crate::error::SandboxError;
use crate::spec::{Limits, Spec};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Resource, Rlimit, Signal, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A sandbox yields to everything else on the machine, above all to the program that is being healed.
const NICENESS: i32 = 5;

/// A running bubblewrap.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) child: Child,
    /// Where bubblewrap says that the command began and how it ended.
    pub(super) status: File,
}

/// Starts it.
pub(super) fn start(
    bubblewrap: &Path,
    arguments: &[OsString],
    spec: &Spec,
    group: &Group,
) -> Result<Started, SandboxError> {
    let failed = |error: std::io::Error| {
        SandboxError::setup(format!("starting {}", bubblewrap.display()))(error)
    };
    // In a file without a name, because a command line can be read by every user of the host, and the environment
    // of a program holds its secrets.
    let told = told(arguments).map_err(failed)?;
    let (status, status_inside) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let limits = resource_limits(&spec.limits);
    let doors = group.doors().map_err(failed)?;
    let mut command = Command::new(bubblewrap);
    command
        .arg("--args")
        .arg(told.as_raw_fd().to_string())
        .arg("--json-status-fd")
        .arg(status_inside.as_raw_fd().to_string())
        .arg("--")
        .args(&spec.command)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let kept = (told, status_inside);
    let prepare = move || -> std::io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        fcntl_setfd(&kept.0, FdFlags::empty())?;
        fcntl_setfd(&kept.1, FdFlags::empty())?;
        for door in &doors {
            rustix::io::write(door, b"0")?;
        }
        for (resource, limit) in &limits {
            setrlimit(*resource, *limit)?;
        }
        // Already nicer than that is fine, too.
        let _ = setpriority_process(None, NICENESS);
        Ok(())
    };
    #[expect(
        unsafe_code,
        reason = "the closure only makes system calls and allocates nothing; this process has one thread"
    )]
    unsafe {
        command.pre_exec(prepare);
    }
    let child = command.spawn().map_err(failed)?;
    Ok(Started {
        child,
        status: status.into(),
    })
}

fn told(arguments: &[OsString]) -> std::io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("arguments", MemfdFlags::CLOEXEC)?);
    let mut text = Vec::new();
    for argument in arguments {
        text.extend_from_slice(argument.as_bytes());
        text.push(0);
    }
    file.write_all(&text)?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// Limits of each single process: a second fence behind the watcher, which adds up what all of them use.
fn resource_limits(limits: &Limits) -> Vec<(Resource, Rlimit)> {
    let both = |value: u64| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    // Runtimes reserve far more addresses than they use.
    let addresses = (limits.memory_bytes * 4).max(16 << 30);
    let mut list = vec![
        (Resource::Core, both(0)),
        (Resource::Cpu, both(limits.cpu.as_secs() + 2)),
        (Resource::Fsize, both(limits.disk_bytes)),
        (Resource::As, both(addresses)),
    ];
    let files = rustix::process::getrlimit(Resource::Nofile);
    let most = files.maximum.unwrap_or(4096).min(4096);
    list.push((Resource::Nofile, both(most)));
    // Since Linux 5.14 this counts inside the user namespace only; before, it would count all that the user runs.
    if kernel_is_at_least(5, 14) {
        list.push((Resource::Nproc, both(u64::from(limits.processes) * 2 + 64)));
    }
    list
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(a), Some(b)) => (a, b) >= (major, minor),
        _ => false,
    }
}
