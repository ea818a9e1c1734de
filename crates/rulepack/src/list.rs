//! What a pack holds, for people and as JSON.

use crate::load::Pack;
use homeostasis_domain::{FaultCode, Safety};
use serde::{Deserialize, Serialize};

/// One rule in a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSummary {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The class of faults it is for.
    pub class: FaultCode,
    /// Languages.
    pub languages: Vec<String>,
    /// Frameworks; empty means any.
    pub frameworks: Vec<String>,
    /// Native errors.
    pub errors: Vec<String>,
    /// Its fixes, as `id (safety)`.
    pub fixes: Vec<String>,
    /// Number of cases.
    pub cases: usize,
    /// Where it was read from.
    pub file: String,
}

/// All rules of the pack, in its order.
pub fn list(pack: &Pack) -> Vec<RuleSummary> {
    pack.rules()
        .map(|rule| RuleSummary {
            id: rule.id.clone(),
            title: rule.title.clone(),
            class: rule.class.clone(),
            languages: rule.languages.clone(),
            frameworks: rule.frameworks.clone(),
            errors: rule.errors.clone(),
            fixes: rule
                .fixes
                .iter()
                .map(|fix| format!("{} ({})", fix.id, safety_name(fix.safety)))
                .collect(),
            cases: rule.cases.len(),
            file: rule.file.clone(),
        })
        .collect()
}

fn safety_name(safety: Safety) -> &'static str {
    match safety {
        Safety::Safe => "safe",
        Safety::Unsafe => "unsafe",
        Safety::ShowOnly => "show only",
    }
}
