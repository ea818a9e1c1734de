//! Watches a running sandbox until it ends or breaks a limit, and then makes sure that nothing of it is alive.

use super::capture::Capture;
use super::group::Group;
use super::processes;
use super::start::Started;
use crate::error::SandboxError;
use crate::report::Exit;
use crate::spec::{Limits, Spec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::{Duration, Instant};

/// How often usage is looked at.
const PERIOD: Duration = Duration::from_millis(20);
/// At most this part of the time is spent looking.
const DUTY: u32 = 20;
/// How long the kernel may take to clear a killed sandbox away.
const CLEARING: Duration = Duration::from_secs(10);
/// bubblewrap itself and the first process of the namespace.
const OWN_PROCESSES: u32 = 2;

/// What was seen.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) exit: Exit,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) memory_peak: u64,
}

/// Streams of the sandbox that are still open.
#[derive(Debug)]
struct Streams {
    stdout: Option<File>,
    stderr: Option<File>,
    status: Option<File>,
    kept_stdout: Capture,
    kept_stderr: Capture,
    kept_status: Vec<u8>,
}

/// Watches until the end. When this returns, no process of the sandbox is left.
pub(super) fn watch(started: Started, spec: &Spec, group: &Group) -> Result<Watched, SandboxError> {
    let begun = Instant::now();
    let Started { mut child, status } = started;
    let limits = &spec.limits;
    let mut streams = Streams::of(&mut child, status, limits)?;
    let mut meter = Meter::default();
    let broken = loop {
        streams.wait(meter.period())?;
        if lifeline_is_cut() {
            end(&mut child, group);
            return Err(SandboxError::Refused {
                reason: "the caller went away".to_string(),
            });
        }
        if streams.status.is_none() {
            break None;
        }
        if begun.elapsed() >= limits.wall {
            break Some(Exit::TimedOut);
        }
        if let Some(exit) = meter.look(child.id(), group, limits) {
            break Some(exit);
        }
    };
    end(&mut child, group);
    let wall = begun.elapsed();
    streams.drain()?;
    let cpu = meter.cpu.max(processes::waited_for());
    let complaint = |streams: &Streams| {
        let text = String::from_utf8_lossy(&streams.kept_status).into_owned();
        text.trim().to_string()
    };
    let exit = match broken {
        Some(exit) => exit,
        None if group.ran_out_of_memory() => Exit::MemoryExceeded,
        None if group.ran_out_of_tasks() => Exit::TooManyProcesses,
        None if cpu > limits.cpu => Exit::CpuExceeded,
        None => match exit_code(&streams.kept_status) {
            Some(code @ 129..=192) => Exit::Signal(code - 128),
            Some(code) => Exit::Code(code),
            None => {
                let told = complaint(&streams);
                let stderr = streams.kept_stderr.finish();
                let reason = String::from_utf8_lossy(&stderr).trim().to_string();
                return Err(not_started(reason, told));
            }
        },
    };
    Ok(Watched {
        exit,
        stdout: streams.kept_stdout.finish(),
        stderr: streams.kept_stderr.finish(),
        wall,
        cpu,
        memory_peak: meter.memory_peak,
    })
}

/// bubblewrap ended without ever saying how the command did.
fn not_started(reason: String, told: String) -> SandboxError {
    if reason.contains("namespace") && reason.contains("ermission") {
        return SandboxError::NamespacesForbidden { reason };
    }
    SandboxError::Setup {
        step: "bubblewrap".to_string(),
        reason: format!("{reason} {told}").trim().to_string(),
    }
}

/// From the lines of JSON that bubblewrap writes.
fn exit_code(status: &[u8]) -> Option<i32> {
    serde_json::Deserializer::from_slice(status)
        .into_iter::<serde_json::Value>()
        .map_while(Result::ok)
        .find_map(|line| line.get("exit-code")?.as_i64())
        .map(|code| code as i32)
}

/// The caller holds the other end of standard input for as long as it wants the result.
fn lifeline_is_cut() -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Kills the namespace's first process, with which the kernel kills all others, and waits until bubblewrap has
/// reaped it; then bubblewrap itself, should that have hung.
fn end(child: &mut Child, group: &Group) {
    let deadline = Instant::now() + CLEARING;
    while let Ok(None) = child.try_wait() {
        for first in processes::children(child.id(), group) {
            if let Some(pid) = i32::try_from(first).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if Instant::now() > deadline {
            break;
        }
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        let _ = poll(&mut [], Some(&pause));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Looks at the usage, not too often, and remembers the most it saw.
#[derive(Debug, Default)]
struct Meter {
    last: Option<Instant>,
    cost: Duration,
    memory_peak: u64,
    cpu: Duration,
    confirmed: Option<Instant>,
}

impl Meter {
    fn period(&self) -> Duration {
        PERIOD.max(self.cost * DUTY).min(PERIOD * 10)
    }

    fn look(&mut self, root: u32, group: &Group, limits: &Limits) -> Option<Exit> {
        let begun = Instant::now();
        if self
            .last
            .is_some_and(|last| begun - last < self.period() / 2)
        {
            return None;
        }
        let usage = processes::usage(root, group);
        self.cost = begun.elapsed();
        self.last = Some(Instant::now());
        self.cpu = self.cpu.max(usage.cpu);
        if usage.processes > limits.processes + OWN_PROCESSES {
            return Some(Exit::TooManyProcesses);
        }
        if usage.cpu > limits.cpu {
            return Some(Exit::CpuExceeded);
        }
        let mut memory = usage.memory;
        if memory > limits.memory_bytes {
            let recently = self
                .confirmed
                .is_some_and(|at| begun - at < self.cost * DUTY);
            if recently {
                return None;
            }
            // Processes that forked share pages; only what is really there counts.
            memory = processes::proportional_memory(root, group);
            self.cost = begun.elapsed();
            self.confirmed = Some(Instant::now());
        }
        self.memory_peak = self.memory_peak.max(memory);
        (memory > limits.memory_bytes).then_some(Exit::MemoryExceeded)
    }
}

impl Streams {
    fn of(child: &mut Child, status: File, limits: &Limits) -> Result<Self, SandboxError> {
        let stdout = child
            .stdout
            .take()
            .map(|one| File::from(OwnedFd::from(one)));
        let stderr = child
            .stderr
            .take()
            .map(|one| File::from(OwnedFd::from(one)));
        for file in [stdout.as_ref(), stderr.as_ref(), Some(&status)]
            .into_iter()
            .flatten()
        {
            rustix::io::ioctl_fionbio(file, true)
                .map_err(SandboxError::setup("reading what it prints"))?;
        }
        Ok(Self {
            stdout,
            stderr,
            status: Some(status),
            kept_stdout: Capture::new(limits.output_bytes),
            kept_stderr: Capture::new(limits.output_bytes),
            kept_status: Vec::new(),
        })
    }

    /// Waits until there is something to read or the period is over, and reads it.
    fn wait(&mut self, period: Duration) -> Result<(), SandboxError> {
        let timeout = Timespec {
            tv_sec: period.as_secs() as i64,
            tv_nsec: i64::from(period.subsec_nanos()),
        };
        let stdin = std::io::stdin();
        let mut fds: Vec<PollFd<'_>> = [&self.stdout, &self.stderr, &self.status]
            .into_iter()
            .flatten()
            .map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN))
            .collect();
        fds.push(PollFd::new(&stdin, PollFlags::IN));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(SandboxError::setup("waiting for the sandbox")(error)),
        }
        self.read_some()
    }

    fn read_some(&mut self) -> Result<(), SandboxError> {
        let mut status = |bytes: &[u8]| {
            // Two short lines; whoever writes more is not bubblewrap.
            if self.kept_status.len() < 4096 {
                self.kept_status.extend_from_slice(bytes);
            }
        };
        read_into(&mut self.status, &mut status)?;
        read_into(&mut self.stdout, &mut |bytes| self.kept_stdout.push(bytes))?;
        read_into(&mut self.stderr, &mut |bytes| self.kept_stderr.push(bytes))
    }

    /// Reads what is left after everything is dead.
    fn drain(&mut self) -> Result<(), SandboxError> {
        let deadline = Instant::now() + Duration::from_secs(1);
        while (self.stdout.is_some() || self.stderr.is_some() || self.status.is_some())
            && Instant::now() < deadline
        {
            self.read_some()?;
        }
        Ok(())
    }
}

/// At most a few pieces at a time, so that a flood cannot keep the watcher from looking.
fn read_into(from: &mut Option<File>, to: &mut dyn FnMut(&[u8])) -> Result<(), SandboxError> {
    let mut buffer = [0; 65_536];
    for _ in 0..16 {
        let Some(file) = from else { return Ok(()) };
        match file.read(&mut buffer) {
            Ok(0) => *from = None,
            Ok(count) => to(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SandboxError::setup("reading what it prints")(error)),
        }
    }
    Ok(())
}
