//! A capsule: what the agent kept of a failure so that it can be run again elsewhere.
//! The format is in `lib/protocol/README.md`, "The capsule"; unknown fields are ignored.

use crate::value::Value;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names to values, in a stable order.
pub type Map<V> = BTreeMap<String, V>;

/// Everything kept of one failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capsule {
    /// Format version, 1.
    pub schema: u32,
    /// Inside a request, or of the process itself.
    pub kind: CapsuleKind,
    /// Which hook of the agent saw it.
    #[serde(default)]
    pub hook: String,
    /// The process it happened in.
    pub process: Process,
    /// The chain of exceptions, the one thrown last first. Never empty.
    pub exceptions: Vec<Exception>,
    /// The request being answered.
    #[serde(default)]
    pub request: Option<Request>,
    /// How to call the failing function again, outside a request.
    #[serde(default)]
    pub call: Option<serde_json::Value>,
    /// Where secrets were taken out.
    #[serde(default)]
    pub redacted: Vec<String>,
    /// What could not be captured, and why.
    #[serde(default)]
    pub missing: Vec<String>,
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
    #[serde(default)]
    pub argv: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// The interpreter.
    #[serde(default)]
    pub executable: String,
    /// Name and version of the runtime.
    pub runtime: Runtime,
    /// Name of the thread.
    #[serde(default)]
    pub thread: String,
    /// Frameworks that are loaded, with versions.
    #[serde(default)]
    pub frameworks: Map<String>,
}

/// A language runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runtime {
    /// `CPython`, `Node.js` ...
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One exception of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// Qualified type name without the module (`KeyError`).
    #[serde(rename = "type")]
    pub type_name: String,
    /// Module of the type (`builtins`).
    #[serde(default)]
    pub module: String,
    /// Its message, at most 2,000 characters.
    #[serde(default)]
    pub message: String,
    /// How it belongs to the one before it in the chain.
    #[serde(default)]
    pub relation: Option<Relation>,
    /// Its own attributes.
    #[serde(default)]
    pub attributes: Map<Value>,
    /// Notes added to it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Outermost first, the failing frame last.
    #[serde(default)]
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
    #[serde(default)]
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
    #[serde(default)]
    pub first_line: u32,
    /// Belongs to the program itself.
    #[serde(default)]
    pub in_app: bool,
    /// Content hash of the file on disk when captured.
    #[serde(default)]
    pub source_sha256: Option<String>,
    /// The source line, stripped.
    #[serde(default)]
    pub text: String,
    /// Names of the parameters.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Values of the local variables; in-app frames only.
    #[serde(default)]
    pub locals: Map<Value>,
    /// Plain values of the module's names that the function reads; in-app frames only.
    #[serde(default)]
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
    #[serde(default)]
    pub scheme: String,
    /// Decoded path below `root_path`.
    pub path: String,
    /// Mount point.
    #[serde(default)]
    pub root_path: String,
    /// Raw query string.
    #[serde(default)]
    pub query: String,
    /// Method and path with the variable segments as `*`.
    #[serde(default)]
    pub route: String,
    /// `1.1`.
    #[serde(default)]
    pub http_version: String,
    /// In the order received.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Address and port.
    #[serde(default)]
    pub client: Option<(String, Option<u32>)>,
    /// Address and port.
    #[serde(default)]
    pub server: Option<(String, Option<u32>)>,
    /// The body.
    #[serde(default)]
    pub body: Body,
}

/// A request's or a response's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Base64 of what was kept.
    #[serde(default)]
    pub data: String,
    /// Full length in bytes.
    #[serde(default)]
    pub len: u64,
    /// Whether a part was cut.
    #[serde(default)]
    pub truncated: bool,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// In the order sent.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
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
