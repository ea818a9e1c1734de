//! A capsule: what the agent kept of a failure so that it can be run again elsewhere.
//! The format is in `lib/protocol/README.md`, "The capsule"; unknown fields are ignored, and null is the same as
//! absent, so that one thing an agent could not tell does not cost all that it told.

use crate::value::Value;

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Names to values, in a stable order.
pub type Map<V> = BTreeMap<String, V>;

/// Reads a field that may be null as if it were absent; for `#[serde(default, deserialize_with = ...)]`.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a part that a capsule can do without: what does not fit is as if it were absent.
fn nothing_when_malformed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let read: Option<serde_json::Value> = Option::deserialize(deserializer)?;
    Ok(read.and_then(|value| serde_json::from_value(value).ok()))
}

/// Everything kept of one failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capsule {
    /// Format version, 1.
    pub schema: u32,
    /// Inside a request, or of the process itself.
    pub kind: CapsuleKind,
    /// Which hook of the agent saw it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub hook: String,
    /// The process it happened in.
    pub process: Process,
    /// The chain of exceptions, the one thrown last first. Never empty.
    pub exceptions: Vec<Exception>,
    /// The request being answered.
    #[serde(default)]
    pub request: Option<Request>,
    /// How to call the failing function again, outside a request.
    #[serde(default, deserialize_with = "nothing_when_malformed")]
    pub call: Option<Call>,
    /// What dependencies answered before the first request, and what they said of themselves; as the agent told it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub answers: Vec<serde_json::Value>,
    /// Where secrets were taken out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub redacted: Vec<String>,
    /// What could not be captured, and why.
    #[serde(default, deserialize_with = "null_as_default")]
    pub missing: Vec<String>,
}

/// A call of a function of the program that led to the failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Full name of its module.
    pub module: String,
    /// The folder that the module is imported from.
    pub folder: String,
    /// Its qualified name within the module.
    pub function: String,
    /// How many decorators stand between what has this name and the function itself.
    pub wrappers: u32,
    /// Place of its frame in the frames of the thrown exception.
    pub frame: usize,
    /// The process served requests or worked off jobs, so that the call is made where it would begin to.
    pub serving: bool,
    /// When the job began, or else when it failed, in seconds since the epoch.
    #[serde(default)]
    pub time: Option<f64>,
    /// Name and value of each positional argument.
    pub arguments: Vec<(String, Value)>,
    /// Arguments by keyword.
    pub keywords: Map<Value>,
    /// What dependencies answered last in its thread or task; as the agent told it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub answers: Vec<serde_json::Value>,
}

/// Whether the failure happened while answering a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapsuleKind {
    /// While answering a request.
    Request,
    /// It ended the process or a thread.
    Process,
}

/// The process a failure happened in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Command line.
    #[serde(default, deserialize_with = "null_as_default")]
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// The interpreter.
    #[serde(default, deserialize_with = "null_as_default")]
    pub executable: String,
    /// Name and version of the runtime.
    #[serde(default, deserialize_with = "null_as_default")]
    pub runtime: Runtime,
    /// Name of the thread.
    #[serde(default, deserialize_with = "null_as_default")]
    pub thread: String,
    /// Name of the asynchronous task, where there is one.
    #[serde(default)]
    pub task: Option<String>,
    /// `server`, `worker` or `script`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub role: String,
    /// Frameworks that are loaded, with versions.
    #[serde(default, deserialize_with = "null_as_default")]
    pub frameworks: Map<String>,
}

/// A language runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// `CPython`, `Node.js` ...
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// Its version.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: String,
}

/// One exception of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// Qualified type name without the module (`KeyError`).
    #[serde(rename = "type")]
    pub type_name: String,
    /// Module of the type (`builtins`).
    #[serde(default, deserialize_with = "null_as_default")]
    pub module: String,
    /// Its message, at most 2,000 characters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub message: String,
    /// How it belongs to the one before it in the chain.
    #[serde(default)]
    pub relation: Option<Relation>,
    /// Its own attributes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub attributes: Map<Value>,
    /// Notes added to it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub notes: Vec<String>,
    /// Outermost first, the failing frame last.
    #[serde(default, deserialize_with = "null_as_default")]
    pub frames: Vec<Frame>,
}

/// How an exception belongs to the one that was thrown after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Stated by the program (`raise ... from`).
    Cause,
    /// Being handled when the next one was thrown.
    Context,
    /// A member of an exception group.
    Member,
}

/// One frame of a traceback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Absolute path.
    pub file: String,
    /// Module name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub module: String,
    /// Qualified function name.
    pub function: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, where the runtime tells.
    #[serde(default)]
    pub end_line: Option<u32>,
    /// 0-based, in bytes of UTF-8.
    #[serde(default)]
    pub column: Option<u32>,
    /// 0-based, in bytes of UTF-8, exclusive.
    #[serde(default)]
    pub end_column: Option<u32>,
    /// First line of the function.
    #[serde(default, deserialize_with = "null_as_default")]
    pub first_line: u32,
    /// Belongs to the program itself.
    #[serde(default, deserialize_with = "null_as_default")]
    pub in_app: bool,
    /// Content hash of the file on disk when captured.
    #[serde(default)]
    pub source_sha256: Option<String>,
    /// The source line, stripped.
    #[serde(default, deserialize_with = "null_as_default")]
    pub text: String,
    /// Names of the parameters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub arguments: Vec<String>,
    /// Values of the local variables; in-app frames only.
    #[serde(default, deserialize_with = "null_as_default")]
    pub locals: Map<Value>,
    /// Plain values of the module's names that the function reads; in-app frames only.
    #[serde(default, deserialize_with = "null_as_default")]
    pub globals: Map<Value>,
}

/// A request as it was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `wsgi` or `asgi`.
    pub protocol: String,
    /// `GET` ...
    pub method: String,
    /// `http` or `https`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub scheme: String,
    /// Decoded path below `root_path`.
    pub path: String,
    /// Mount point.
    #[serde(default, deserialize_with = "null_as_default")]
    pub root_path: String,
    /// Raw query string.
    #[serde(default, deserialize_with = "null_as_default")]
    pub query: String,
    /// Method and path with the variable segments as `*`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub route: String,
    /// `1.1`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub http_version: String,
    /// In the order received.
    #[serde(default, deserialize_with = "null_as_default")]
    pub headers: Vec<(String, String)>,
    /// Address and port.
    #[serde(default)]
    pub client: Option<(String, Option<u32>)>,
    /// Address and port.
    #[serde(default)]
    pub server: Option<(String, Option<u32>)>,
    /// When it was received, in seconds since the epoch.
    #[serde(default)]
    pub time: Option<f64>,
    /// The body.
    #[serde(default, deserialize_with = "null_as_default")]
    pub body: Body,
    /// What its signed cookies and tokens say, to make others in the sandbox; kept as the agent told it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub credentials: Vec<serde_json::Value>,
    /// What dependencies answered while it was served; as the agent told it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub answers: Vec<serde_json::Value>,
}

/// A request's or a response's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Base64 of what was kept.
    #[serde(default, deserialize_with = "null_as_default")]
    pub data: String,
    /// Full length in bytes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub len: u64,
    /// Whether a part was cut.
    #[serde(default, deserialize_with = "null_as_default")]
    pub truncated: bool,
    /// Content hash of the whole body, where a part was cut and all of it passed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// In the order sent.
    #[serde(default, deserialize_with = "null_as_default")]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, deserialize_with = "null_as_default")]
    pub body: Body,
}

/// A recent successful exchange on the same route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Witness {
    /// The request.
    pub request: Request,
    /// What was answered.
    pub response: Response,
}

impl Capsule {
    /// The exception that was thrown last; `None` only for a malformed capsule, which ingest refuses.
    pub fn thrown(&self) -> Option<&Exception> {
        self.exceptions.first()
    }

    /// Method and path pattern, for a failure inside a request.
    pub fn route(&self) -> Option<&str> {
        self.request.as_ref().map(|request| request.route.as_str())
    }

    /// True when the named framework was loaded.
    pub fn has_framework(&self, name: &str) -> bool {
        self.process.frameworks.contains_key(name)
    }
}

impl Exception {
    /// The innermost frame of the program itself: where a person would look first.
    pub fn failing_frame(&self) -> Option<&Frame> {
        self.frames.iter().rev().find(|frame| frame.in_app)
    }

    /// Type with its module, except for builtins.
    pub fn qualified_type(&self) -> String {
        if self.module.is_empty() || self.module == "builtins" {
            self.type_name.clone()
        } else {
            format!("{}.{}", self.module, self.type_name)
        }
    }
}
