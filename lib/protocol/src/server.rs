//! What the server says.

use serde::{Deserialize, Serialize, Serializer};

/// A message to an agent. Unknown types become [`ServerMessage::Unknown`], so that servers may be newer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answer to hello.
    Welcome {
        /// Version of the protocol.
        protocol: u32,
        /// Name of the service.
        service: String,
        /// Settings of the agent.
        config: AgentConfig,
        /// To be applied before the first request.
        #[serde(serialize_with = "as_messages")]
        swaps: Vec<SwapOrder>,
    },
    /// Put new code in place.
    Swap(SwapOrder),
    /// Put the old code back.
    Unswap(SwapOrder),
    /// Say which source runs.
    Report {
        /// Echoed in the answer.
        request_id: String,
        /// Which files, and which sources it could be.
        files: Vec<ReportFile>,
    },
    /// Forget which failures were captured already.
    Rearm,
    /// Something newer than this agent.
    #[serde(other)]
    Unknown,
}

/// Settings of an agent; absent ones keep the agent's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Folder whose files belong to the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Share of healthy exchanges that may be kept as witnesses, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<f64>,
    /// Modules whose failures are not reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_modules: Vec<String>,
    /// Error types that are not reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_error_types: Vec<String>,
    /// Paths of requests that are not reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_paths: Vec<String>,
    /// Further names that are secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact_names: Vec<String>,
    /// Regular expressions of what is secret in any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact_patterns: Vec<String>,
}

/// One swap: all its files or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapOrder {
    /// Id.
    pub swap: String,
    /// Files with both texts.
    pub files: Vec<SwapFile>,
}

/// One file of a swap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapFile {
    /// Absolute path.
    pub path: String,
    /// Base64 of the source before.
    pub old: String,
    /// Base64 of the source after.
    pub new: String,
    /// Content hash of `old`.
    pub old_sha256: String,
    /// Content hash of `new`.
    pub new_sha256: String,
}

/// A file a report asks about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// Absolute path.
    pub path: String,
    /// What it could be.
    pub sources: Vec<OfferedSource>,
}

/// A source that may be the running one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedSource {
    /// Content hash.
    pub sha256: String,
    /// Base64.
    pub source: String,
}

/// Swaps within another message are whole messages, with their `type`.
fn as_messages<S: Serializer>(swaps: &[SwapOrder], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(swaps.iter().cloned().map(ServerMessage::Swap))
}
