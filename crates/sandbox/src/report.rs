//! What one run did: how it ended, what it printed and left behind, what it used.

use crate::encoded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub exit: Exit,
    /// Standard output: its beginning and its end, with a mark where the middle was left out.
    #[serde(with = "encoded::bytes")]
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    #[serde(with = "encoded::bytes")]
    pub stderr: Vec<u8>,
    /// The regular files found directly in [`crate::OUTPUTS`].
    #[serde(with = "encoded::map")]
    pub outputs: BTreeMap<String, Vec<u8>>,
    /// Files that were there and were not collected, with the reason.
    pub omitted: Vec<String>,
    /// Wall time from the start of the command's sandbox to its end.
    pub wall: Duration,
    /// Wall time to set the sandbox up before that.
    pub setup: Duration,
    /// Processor time of all processes, as last seen.
    pub cpu: Duration,
    /// Most memory seen in use, in bytes.
    pub memory_peak: u64,
    /// Bytes in the sandbox's files at the end.
    pub disk_used: u64,
    /// What the machine allowed.
    pub support: Support,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal. A status above 128 is read as one, as shells do.
    Signal(i32),
    /// Killed: wall time.
    TimedOut,
    /// Killed: processor time.
    CpuExceeded,
    /// Killed: memory.
    MemoryExceeded,
    /// Killed: number of processes.
    TooManyProcesses,
}

/// Which of the optional means were at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// The tree was shown through an overlay; otherwise it was copied.
    pub overlay: bool,
    /// Memory was bounded by the kernel's control groups beside the watcher.
    pub memory_group: bool,
    /// The number of processes was, too.
    pub process_group: bool,
}

impl Exit {
    /// True when it was not the sandbox that ended it.
    pub fn by_itself(self) -> bool {
        matches!(self, Exit::Code(_) | Exit::Signal(_))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(to, "exit status {code}"),
            Exit::Signal(signal) => write!(to, "signal {signal}"),
            Exit::TimedOut => to.write_str("out of wall time"),
            Exit::CpuExceeded => to.write_str("out of processor time"),
            Exit::MemoryExceeded => to.write_str("out of memory"),
            Exit::TooManyProcesses => to.write_str("too many processes"),
        }
    }
}
