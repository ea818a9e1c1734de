//! How each web framework refuses a request, as data (`frameworks.yaml` of a rule folder).

use crate::rule::Reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A web framework, by the name the agent reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// As in a capsule's `process.frameworks`.
    pub name: String,
    /// The kind of request it answers: `wsgi` or `asgi`.
    pub protocol: String,
    /// How it refuses, by reason.
    pub refuse: BTreeMap<Reason, Refusal>,
}

/// One way to refuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The statement; `$MESSAGE` is a string expression.
    pub statement: String,
    /// The import it needs.
    pub import: String,
    /// Other modules that give the same name the same meaning.
    #[serde(default)]
    pub same_as: Vec<String>,
}
