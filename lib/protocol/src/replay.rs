//! The files of a replay.

use homeostasis_domain::capsule::{Body, Call, Exception, Request, null_as_default};
use serde::{Deserialize, Serialize};

/// What is to be run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayInput {
    /// 1.
    pub schema: u32,
    /// What kind of replay.
    pub kind: ReplayKind,
    /// The hook that saw the failure: exceptions that did not go on are only heard of when one of that hook is looked for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub hook: String,
    /// For `request`: one after the other, in this order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub requests: Vec<Request>,
    /// For `call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// What dependencies answered before the first request, and what they said of themselves.
    #[serde(default, deserialize_with = "null_as_default")]
    pub answers: Vec<serde_json::Value>,
    /// Databases in files (SQLite) answer as was recorded; otherwise they are read as they are in the sandbox.
    #[serde(default)]
    pub recorded_files: bool,
    /// When the program is to believe it was started, in seconds since the epoch.
    #[serde(default)]
    pub time: Option<f64>,
}

/// What kind of replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayKind {
    /// Requests to the program's WSGI or ASGI callable.
    Request,
    /// The command line as it is.
    Process,
    /// One function call.
    Call,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayResult {
    /// 1.
    pub schema: u32,
    /// The program came to the point of serving.
    pub ready: bool,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
    /// One for each request; one for a process or a call.
    #[serde(default, deserialize_with = "null_as_default")]
    pub exchanges: Vec<Exchange>,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Status answered; null when none was.
    #[serde(default)]
    pub status: Option<u16>,
    /// Headers answered.
    #[serde(default, deserialize_with = "null_as_default")]
    pub headers: Vec<(String, String)>,
    /// Body answered.
    #[serde(default, deserialize_with = "null_as_default")]
    pub body: Body,
    /// The unhandled exception with its chain, as in a capsule.
    #[serde(default, deserialize_with = "null_as_default")]
    pub exceptions: Vec<Exception>,
    /// What it did to the world, in order.
    #[serde(default, deserialize_with = "null_as_default")]
    pub effects: Vec<Effect>,
    /// What it asked dependencies and nobody had recorded an answer to.
    #[serde(default, deserialize_with = "null_as_default")]
    pub unanswered: Vec<String>,
    /// How long it took.
    #[serde(default, deserialize_with = "null_as_default")]
    pub milliseconds: f64,
}

/// One thing done to the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// `sql`, `http`, `redis`, `file`, `connect` or `process`.
    pub kind: String,
    /// The statement, the method and address, the path, or the command.
    pub text: String,
}
