//! A diagnosis: ranked hypotheses about the cause of an incident, each with evidence a person can check.

use crate::fault::FaultCode;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// What the engines concluded, best hypothesis first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Ranked, the most likely first. Empty means that no engine had an answer.
    pub hypotheses: Vec<Hypothesis>,
    /// How the ranking came about, in sentences.
    #[serde(default)]
    pub report: Vec<String>,
}

/// One explanation of the failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// Which engine said so.
    pub engine: String,
    /// Class of the fault.
    pub class: FaultCode,
    /// Whether a change of code is the remedy.
    pub cause: Cause,
    /// One sentence for people.
    pub summary: String,
    /// Native error (`KeyError`).
    pub error: String,
    /// The expression that failed; `None` when it lies outside the program.
    pub location: Option<Location>,
    /// Its parts with their values, by role.
    pub operands: Vec<Operand>,
    /// From 0 to 1; comparable between hypotheses of one diagnosis only.
    pub confidence: f64,
    /// What it rests on.
    pub evidence: Vec<String>,
}

/// Whether code is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A change of the program's code is the remedy.
    Code,
    /// Another system did not answer as it should.
    Dependency,
    /// Stored data is wrong.
    Data,
    /// Memory, disk, handles or another resource ran out.
    Capacity,
    /// Settings are missing or wrong.
    Configuration,
    /// The platform below the program failed.
    Infrastructure,
    /// The program itself says that a rule of its business was broken; no local edit can be right.
    BusinessRule,
}

/// An expression in a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Absolute path.
    pub file: String,
    /// Module name.
    pub module: String,
    /// Qualified function name.
    pub function: String,
    /// 1-based.
    pub line: u32,
    /// 0-based, bytes of UTF-8.
    pub column: u32,
    /// 1-based.
    pub end_line: u32,
    /// 0-based, bytes of UTF-8, exclusive.
    pub end_column: u32,
    /// Byte range in the file's text.
    pub start_byte: usize,
    /// Exclusive.
    pub end_byte: usize,
    /// The expression's text.
    pub text: String,
}

/// A part of the failing expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operand {
    /// `object`, `key`, `index`, `attribute`, `divisor`, `callee`, `argument`, `name` ...
    pub role: String,
    /// Source text.
    pub text: String,
    /// Byte range in the file's text.
    pub start_byte: usize,
    /// Exclusive.
    pub end_byte: usize,
    /// Its value when it failed, where it could be told.
    pub value: Option<Value>,
    /// Where the value came from.
    pub origin: Origin,
}

/// Where a value came from, followed back through assignments and calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// Sent by the client: the parsed body.
    RequestBody,
    /// Sent by the client: a form field.
    RequestForm,
    /// Sent by the client: the query string.
    RequestQuery,
    /// Sent by the client: a segment of the path.
    RequestPath,
    /// Sent by the client: a header or cookie.
    RequestHeader,
    /// Environment variables.
    Environment,
    /// Rows of a database.
    Database,
    /// Written in the source.
    Constant,
    /// What a function of the program returned.
    CallResult {
        /// Its text in the source.
        function: String,
    },
    /// A parameter whose caller could not be followed.
    Parameter {
        /// Its name.
        name: String,
    },
    /// Could not be told.
    #[default]
    Unknown,
}

impl Origin {
    /// True when the client sent it, so that a bad value is the client's fault.
    pub fn is_client(&self) -> bool {
        matches!(
            self,
            Origin::RequestBody
                | Origin::RequestForm
                | Origin::RequestQuery
                | Origin::RequestPath
                | Origin::RequestHeader
        )
    }

    /// The stable name used in rules (`request.body`, `environment`, `call` ...).
    pub fn name(&self) -> &'static str {
        match self {
            Origin::RequestBody => "request.body",
            Origin::RequestForm => "request.form",
            Origin::RequestQuery => "request.query",
            Origin::RequestPath => "request.path",
            Origin::RequestHeader => "request.header",
            Origin::Environment => "environment",
            Origin::Database => "database",
            Origin::Constant => "constant",
            Origin::CallResult { .. } => "call",
            Origin::Parameter { .. } => "parameter",
            Origin::Unknown => "unknown",
        }
    }
}

impl Hypothesis {
    /// The first operand with this role.
    pub fn operand(&self, role: &str) -> Option<&Operand> {
        self.operands.iter().find(|operand| operand.role == role)
    }
}
