//! The checks, one file each: each turns measurements into one [`Check`]; none of them runs anything.

pub(crate) mod builds;
pub(crate) mod heals;
pub(crate) mod replay;
pub(crate) mod reproduces;
pub(crate) mod silencing;
pub(crate) mod static_policy;
pub(crate) mod tests;

use homeostasis_domain::{Check, CheckName, CheckStatus};
use serde_json::Value;

/// What a check found, before it is known how long it took.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) status: CheckStatus,
    pub(crate) summary: String,
    pub(crate) detail: Value,
}

impl Found {
    pub(crate) fn passed(summary: impl Into<String>) -> Self {
        Self::new(CheckStatus::Passed, summary)
    }

    pub(crate) fn failed(code: &str, summary: impl Into<String>) -> Self {
        Self::new(CheckStatus::Failed, summary).with("code", code)
    }

    pub(crate) fn inconclusive(summary: impl Into<String>) -> Self {
        Self::new(CheckStatus::Inconclusive, summary)
    }

    pub(crate) fn error(summary: impl Into<String>) -> Self {
        Self::new(CheckStatus::Error, summary)
    }

    fn new(status: CheckStatus, summary: impl Into<String>) -> Self {
        Self {
            status,
            summary: summary.into(),
            detail: Value::Object(serde_json::Map::new()),
        }
    }

    /// Adds one measurement.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(map) = &mut self.detail {
            map.insert(name.to_string(), value.into());
        }
        self
    }

    pub(crate) fn check(self, name: CheckName, milliseconds: f64) -> Check {
        Check {
            name,
            status: self.status,
            summary: self.summary,
            detail: self.detail,
            milliseconds,
        }
    }
}
