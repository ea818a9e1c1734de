//! What an agent says.

use homeostasis_domain::capsule::{Capsule, Runtime, Witness, null_as_default};
use serde::{Deserialize, Deserializer, Serialize};

/// A message from an agent. Unknown types become [`AgentMessage::Unknown`], so that agents may be newer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AgentMessage {
    /// First on each connection.
    Hello(Box<Hello>),
    /// One captured failure.
    Event {
        /// Seconds since the epoch.
        time: f64,
        /// The agent's own name for the failure.
        signature: String,
        /// What was kept.
        capsule: Box<Capsule>,
        /// Recent successful exchanges on the same route.
        #[serde(default, deserialize_with = "null_as_default")]
        witnesses: Vec<Witness>,
    },
    /// Failures counted instead of captured.
    Repeats {
        /// One for each signature.
        items: Vec<RepeatItem>,
    },
    /// Requests answered.
    Traffic {
        /// Seconds since the epoch.
        since: f64,
        /// Seconds since the epoch.
        until: f64,
        /// Events the agent had to drop.
        #[serde(default, deserialize_with = "null_as_default")]
        dropped: u64,
        /// One for each route.
        routes: Vec<RouteCount>,
    },
    /// Answer to a swap.
    SwapResult(SwapAnswer),
    /// Answer to an unswap.
    UnswapResult(SwapAnswer),
    /// Answer to a report.
    State {
        /// Of the report.
        request_id: String,
        /// One for each file asked for.
        files: Vec<StateFile>,
        /// Applied in this process.
        #[serde(default, deserialize_with = "null_as_default")]
        swaps: Vec<String>,
    },
    /// Something newer than this server.
    #[serde(other)]
    Unknown,
}

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// 1.
    pub protocol: u32,
    /// Language and version of the agent.
    pub agent: AgentName,
    /// Process id.
    pub pid: u32,
    /// Process id of the parent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parent_pid: u32,
    /// Seconds since the epoch.
    #[serde(default, deserialize_with = "null_as_default")]
    pub started: f64,
    /// Command line.
    #[serde(default, deserialize_with = "null_as_default")]
    pub argv: Vec<String>,
    /// Interpreter.
    #[serde(default, deserialize_with = "null_as_default")]
    pub executable: String,
    /// Working directory.
    #[serde(default, deserialize_with = "null_as_default")]
    pub cwd: String,
    /// Language runtime.
    #[serde(default, deserialize_with = "null_as_default")]
    pub runtime: Runtime,
    /// Folders the interpreter needs.
    #[serde(default, deserialize_with = "null_as_default")]
    pub prefixes: Vec<String>,
    /// Module search path.
    #[serde(default, deserialize_with = "null_as_default")]
    pub search_path: Vec<String>,
    /// Swaps applied in this process.
    #[serde(default, deserialize_with = "null_as_default")]
    pub swaps: Vec<String>,
    /// Said hello before on another connection.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resumed: bool,
}

/// An agent's language and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentName {
    /// `python`.
    pub language: String,
    /// Version of the agent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: String,
}

/// Occurrences of one signature that were counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepeatItem {
    /// As in the event.
    pub signature: String,
    /// How many.
    pub count: u64,
    /// Seconds since the epoch.
    pub first: f64,
    /// Seconds since the epoch.
    pub last: f64,
}

/// Requests of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCount {
    /// Method and path pattern.
    pub route: String,
    /// Completed.
    pub requests: u64,
    /// Of these, ended in an unhandled exception.
    pub failed: u64,
}

/// How a swap or an unswap went in one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapAnswer {
    /// Which swap.
    pub swap: String,
    /// The process runs what was asked for, or will once it loads the file.
    pub ok: bool,
    /// How.
    pub state: SwapState,
    /// Why not.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reason: String,
    /// Functions changed.
    #[serde(default, deserialize_with = "null_as_default")]
    pub functions: u64,
    /// Time during which the process saw neither the old nor the new whole.
    #[serde(default, deserialize_with = "null_as_default")]
    pub apply_us: f64,
    /// What runs now.
    #[serde(default, deserialize_with = "null_as_default")]
    pub files: Vec<StateFile>,
}

/// How a swap ended in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapState {
    /// The new code runs.
    Applied,
    /// It ran already.
    Already,
    /// The file is not loaded in this process.
    NotLoaded,
    /// Refused before anything was touched.
    Refused,
    /// Failed, and all was undone.
    Failed,
    /// The old code runs again.
    Restored,
}

/// Which source runs for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Absolute path.
    pub path: String,
    /// Content hash; null when it is none of the offered ones.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether the process has loaded the file.
    #[serde(default = "yes", deserialize_with = "yes_unless_told")]
    pub loaded: bool,
}

fn yes() -> bool {
    true
}

fn yes_unless_told<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(yes))
}
