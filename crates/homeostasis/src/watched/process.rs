//! The watched process: started by us, or found again after we were gone.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The watched process.
pub(crate) struct Watched {
    /// Process id.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
    child: Option<Child>,
    /// A signal that asks it to end has passed through here.
    asked: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code (128 and the signal's number when a signal ended it).
    Code(u8),
    /// It was not our child, so its exit code is not ours to know.
    Unknown,
}

impl Watched {
    /// Starts the program with further variables. It inherits our terminal, folder and everything else; it does not die
    /// with us.
    pub(crate) fn start(command: &[String], variables: &BTreeMap<String, String>) -> Result<Self> {
        let (program, arguments) = command.split_first().context("there is no command")?;
        let child = Command::new(program)
            .args(arguments)
            .envs(variables)
            // The program has no need to know it.
            .env_remove(crate::key::VARIABLE)
            .kill_on_drop(false)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let pid = child.id().context("the program ended at once")?;
        let started = start_ticks(pid).unwrap_or_default();
        Ok(Self {
            pid,
            started,
            child: Some(child),
            asked: false,
        })
    }

    /// Finds a process again by pid and start time; `None` when it has ended, even if its pid is taken by another.
    pub(crate) fn find(pid: u32, started: u64) -> Option<Self> {
        (start_ticks(pid)? == started).then_some(Self {
            pid,
            started,
            child: None,
            asked: false,
        })
    }

    /// Waits for its end; meanwhile hands on the signals that ask a server to do something.
    pub(crate) async fn wait(&mut self) -> Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut first = signal(SignalKind::user_defined1())?;
        let mut second = signal(SignalKind::user_defined2())?;
        let mut quit = signal(SignalKind::quit())?;
        // A terminal sends its interrupt to the program as well; a second one would mean "at once".
        let shared_terminal = rustix::termios::isatty(std::io::stdin()) && self.child.is_some();
        loop {
            tokio::select! {
                ended = end_of(self.pid, self.started, self.child.as_mut()) => return ended,
                _ = terminate.recv() => {
                    self.asked = true;
                    self.send(Signal::TERM);
                }
                _ = interrupt.recv() => {
                    self.asked = true;
                    if !shared_terminal {
                        self.send(Signal::INT);
                    }
                }
                _ = hangup.recv() => self.send(Signal::HUP),
                _ = first.recv() => self.send(Signal::USR1),
                _ = second.recv() => self.send(Signal::USR2),
                _ = quit.recv() => if !shared_terminal { self.send(Signal::QUIT) },
            }
        }
    }

    /// Whether somebody asked it to end, through us or through our terminal.
    pub(crate) fn was_asked_to_end(&self) -> bool {
        self.asked
    }

    fn send(&self, signal: Signal) {
        // The process may have ended a moment ago, which is what waiting will tell.
        if start_ticks(self.pid) == Some(self.started)
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ended_meanwhile = kill_process(pid, signal);
        }
    }
}

async fn end_of(pid: u32, started: u64, child: Option<&mut Child>) -> Result<Ended> {
    if let Some(child) = child {
        let status = child.wait().await?;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(1);
        return Ok(Ended::Code(u8::try_from(code).unwrap_or(1)));
    }
    // Not our child: the kernel tells nobody but its parent, so its entry is looked at.
    while start_ticks(pid) == Some(started) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Ended::Unknown)
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)); `None` when there is no such process, or only its remains.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The command's name stands in parentheses and may hold anything, also parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
