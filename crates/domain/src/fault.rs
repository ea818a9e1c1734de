//! The fault taxonomy: a tree of stable codes, as data (`taxonomy.json`), with the native errors that map to each.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// A code of the taxonomy (`data.missing_key`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultCode(String);

impl FaultCode {
    /// Takes a code as it is; [`FaultCode::known`] tells whether the taxonomy has it.
    pub fn new(code: impl Into<String>) -> Self {
        Self(code.into())
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the taxonomy has this code.
    pub fn known(&self) -> bool {
        taxonomy().iter().any(|fault| fault.code == *self)
    }

    /// True when this code is `other` or below it in the tree.
    pub fn is_within(&self, other: &str) -> bool {
        self.0 == other
            || self
                .0
                .strip_prefix(other)
                .is_some_and(|rest| rest.starts_with('.'))
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultCode({})", self.0)
    }
}

/// One class of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Stable code.
    pub code: FaultCode,
    /// What belongs here, in one sentence.
    pub definition: String,
    /// Native errors by language; qualified type names, builtins without module.
    pub errors: BTreeMap<String, Vec<String>>,
}

/// All classes, in the order of the file.
pub fn taxonomy() -> &'static [Fault] {
    static TAXONOMY: OnceLock<Vec<Fault>> = OnceLock::new();
    TAXONOMY.get_or_init(|| {
        #[expect(
            clippy::expect_used,
            reason = "the file is compiled in and a test reads it"
        )]
        serde_json::from_str(include_str!("taxonomy.json")).expect("taxonomy.json is well formed")
    })
}

/// The class that lists this native error, if any; the first in file order wins.
pub fn class_of_error(language: &str, error: &str) -> Option<&'static Fault> {
    taxonomy().iter().find(|fault| {
        fault
            .errors
            .get(language)
            .is_some_and(|errors| errors.iter().any(|name| name == error))
    })
}
