//! Cases of a rule: sick code, what it raised with which values, and what must become of it; and their reports.

use crate::markdown::Section;
use homeostasis_domain::{Origin, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its heading.
    pub name: String,
    /// The 1-based line of the heading.
    pub line: usize,
    /// The code that failed: the whole file.
    pub sick: String,
    /// What was raised.
    pub raised: Raised,
    /// What must become of it.
    pub expectation: Expectation,
}

/// What must become of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The rule's best candidate gives this text, and no candidate of another rule is ranked above it.
    Healed {
        /// The whole file.
        text: String,
    },
    /// The rule has no candidate.
    Untouched,
    /// No rule of the pack has a candidate.
    Abstain,
}

/// What was raised, where and with which values: what a diagnosis would say.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    /// Native error, qualified as in the taxonomy.
    pub error: String,
    /// Its message.
    #[serde(default)]
    pub message: String,
    /// The failing expression's text in the sick code.
    pub at: String,
    /// Which occurrence of that text, from 1.
    #[serde(default = "one")]
    pub occurrence: usize,
    /// Class of the diagnosis, when it is not the rule's.
    #[serde(default)]
    pub class: Option<String>,
    /// Frameworks loaded in the process.
    #[serde(default)]
    pub frameworks: Vec<String>,
    /// Values of expressions, by their text.
    #[serde(default)]
    pub values: BTreeMap<String, serde_json::Value>,
    /// Origins of expressions, by their text.
    #[serde(default)]
    pub origins: BTreeMap<String, String>,
    /// The request that fails, as `METHOD /path?query`.
    #[serde(default)]
    pub request: Option<String>,
    /// Its body as JSON.
    #[serde(default)]
    pub json: Option<serde_json::Value>,
    /// Its body as form fields.
    #[serde(default)]
    pub form: Option<BTreeMap<String, String>>,
    /// Its body as text.
    #[serde(default)]
    pub body: Option<String>,
    /// For failures outside a request: the expression that fails when it is evaluated in the module.
    #[serde(default)]
    pub call: Option<String>,
    /// For cases that must not match: whether no rule of the pack may match either.
    #[serde(default)]
    pub abstain: bool,
    /// True when the case cannot be run as it is (it needs a package or a service that is not there).
    #[serde(default)]
    pub not_executable: bool,
}

fn one() -> usize {
    1
}

/// How one case went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseResult {
    /// The rule's id.
    pub rule: String,
    /// The case's name.
    pub case: String,
    /// The rule's file.
    pub file: String,
    /// The 1-based line of the case.
    pub line: usize,
    /// Whether all was as expected.
    pub passed: bool,
    /// What was not, in sentences.
    pub problems: Vec<String>,
}

/// How the cases of a pack went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Every case, in the order of the files.
    pub results: Vec<CaseResult>,
    /// Rules that have no case that matches, or none that must not match.
    pub incomplete: Vec<String>,
}

impl CaseReport {
    /// True when there are cases, all passed, and no rule lacks them.
    pub fn passed(&self) -> bool {
        !self.results.is_empty()
            && self.incomplete.is_empty()
            && self.results.iter().all(|result| result.passed)
    }
}

/// Reads a case from its section; the error is a sentence and its line.
pub(crate) fn read(section: &Section<'_>) -> Result<Case, (usize, String)> {
    let block = |info: &str| section.blocks.iter().find(|block| block.info == info);
    let Some(raised_block) = block("yaml raised") else {
        return Err((
            section.line,
            "the case has no block ```yaml raised: say what was raised, where and with which values".to_string(),
        ));
    };
    let raised: Raised = serde_yaml_ng::from_str(raised_block.text).map_err(|error| {
        let line = error.location().map_or(0, |at| at.line().saturating_sub(1));
        (raised_block.line + line, error.to_string())
    })?;
    let (sick, expectation) = match (
        block("python sick"),
        block("python healed"),
        block("python untouched"),
    ) {
        (Some(sick), Some(healed), None) => (
            sick,
            Expectation::Healed {
                text: healed.text.to_string(),
            },
        ),
        (None, None, Some(untouched)) if raised.abstain => (untouched, Expectation::Abstain),
        (None, None, Some(untouched)) => (untouched, Expectation::Untouched),
        _ => {
            return Err((
                section.line,
                "a case has ```python sick and ```python healed, or ```python untouched alone"
                    .to_string(),
            ));
        }
    };
    for (text, origin) in &raised.origins {
        if origin_named(origin).is_none() {
            return Err((
                raised_block.line,
                format!("`{origin}` (of `{text}`) is not an origin"),
            ));
        }
    }
    Ok(Case {
        name: section.heading.to_string(),
        line: section.line,
        sick: sick.text.to_string(),
        raised,
        expectation,
    })
}

/// The origin with this stable name.
pub fn origin_named(name: &str) -> Option<Origin> {
    let origin = match name {
        "request.body" => Origin::RequestBody,
        "request.form" => Origin::RequestForm,
        "request.query" => Origin::RequestQuery,
        "request.path" => Origin::RequestPath,
        "request.header" => Origin::RequestHeader,
        "environment" => Origin::Environment,
        "database" => Origin::Database,
        "constant" => Origin::Constant,
        "call" => Origin::CallResult {
            function: String::new(),
        },
        "parameter" => Origin::Parameter {
            name: String::new(),
        },
        "unknown" => Origin::Unknown,
        _ => return None,
    };
    Some(origin)
}

/// A captured value from plain JSON. A mapping with the key `t` is a value in the agent's own format.
pub fn value_from(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::None,
        serde_json::Value::Bool(v) => Value::Bool { v: *v },
        serde_json::Value::Number(number) if number.is_f64() => Value::Float {
            v: number.to_string(),
        },
        serde_json::Value::Number(number) => Value::Int {
            v: number.to_string(),
        },
        serde_json::Value::String(text) => Value::Str {
            v: text.clone(),
            len: text.chars().count() as u64,
        },
        serde_json::Value::Array(items) => Value::List {
            items: items.iter().map(value_from).collect(),
            len: items.len() as u64,
        },
        serde_json::Value::Object(object) => {
            if object.contains_key("t")
                && let Ok(value) = serde_json::from_value(json.clone())
            {
                return value;
            }
            Value::Dict {
                items: object
                    .iter()
                    .map(|(key, value)| {
                        let key = serde_json::Value::String(key.clone());
                        (value_from(&key), value_from(value))
                    })
                    .collect(),
                len: object.len() as u64,
            }
        }
    }
}
