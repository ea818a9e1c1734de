//! The policy as engineers write and review it: a mode and lists of patterns, all of it checked when it is read.
//!
//! ```toml
//! mode = "auto"                            # observe | propose (default) | auto
//! auto = ["data.*", "null.dereference"]    # classes that may go by themselves in mode auto; default: all
//! never = ["auth", "concurrency.*"]        # classes that are never rolled out, not even when a person agrees
//! protect_paths = ["billing/**"]           # files below the program's folder that no remedy may touch
//! ```

use globset::{Glob, GlobMatcher};
use homeostasis_domain::FaultCode;
use homeostasis_domain::fault::taxonomy;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use thiserror::Error;

/// Files that no remedy may touch, whatever the policy says: what checks the program, what stores its history, and
/// what governs healing.
pub const ALWAYS_PROTECTED: [&str; 7] = [
    "**/tests/**",
    "**/test_*.py",
    "**/*_test.py",
    "**/conftest.py",
    "**/migrations/**",
    "**/.homeostasis/**",
    "**/{homeostasis,policy}.toml",
];

/// How much Homeostasis does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Diagnoses only.
    Observe,
    /// Verifies candidates and waits for a person.
    #[default]
    Propose,
    /// Rolls out what policy allows.
    Auto,
}

/// The policy of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// How much is done by itself.
    pub mode: Mode,
    /// Classes that are never rolled out.
    pub never: Vec<ClassPattern>,
    /// Classes that may go by themselves in mode `auto`; of the others a person is asked.
    pub auto: Vec<ClassPattern>,
    /// Files that no remedy may touch, beside [`ALWAYS_PROTECTED`].
    pub protect_paths: Vec<PathPattern>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            never: Vec::new(),
            auto: vec![ClassPattern::all()],
            protect_paths: Vec::new(),
        }
    }
}

/// A policy that cannot be taken as it is written.
#[derive(Debug, Error)]
#[error("the policy cannot be read: {0}")]
pub struct ConfigError(#[from] toml::de::Error);

impl PolicyConfig {
    /// Reads the text of a `policy.toml`. The error names line and column.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Ok(toml::from_str(text)?)
    }
}

impl Mode {
    /// As written in the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Propose => "propose",
            Mode::Auto => "auto",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Mode::Observe, Mode::Propose, Mode::Auto]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                format!("there is no mode \"{text}\"; the modes are observe, propose and auto")
            })
    }
}

/// A code of the fault taxonomy with all below it (`data`), or a glob over codes (`*.missing_*`).
// Invariant: matches at least one class of the taxonomy, so that a misspelt one is told when the policy is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassPattern {
    text: String,
    glob: GlobMatcher,
}

impl ClassPattern {
    /// Matches every class.
    pub fn all() -> Self {
        Self {
            text: "*".to_string(),
            glob: everything(),
        }
    }

    /// Whether a class falls under the pattern.
    pub fn matches(&self, class: &FaultCode) -> bool {
        class.is_within(&self.text) || self.glob.is_match(class.as_str())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for ClassPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let glob = compile(&text)?;
        let pattern = Self { text, glob };
        if !taxonomy().iter().any(|fault| pattern.matches(&fault.code)) {
            return Err(format!(
                "\"{}\" matches no class of the fault taxonomy (such as data.missing_key)",
                pattern.text
            ));
        }
        Ok(pattern)
    }
}

impl From<ClassPattern> for String {
    fn from(pattern: ClassPattern) -> String {
        pattern.text
    }
}

impl PartialEq for ClassPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ClassPattern {}

/// A glob over paths below the program's folder; `*` stays within one folder, `**` does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    glob: GlobMatcher,
}

impl PathPattern {
    /// Whether a path below the program's folder falls under the pattern. A pattern that names a folder covers all
    /// that is in it.
    pub fn matches(&self, path: &Path) -> bool {
        path.ancestors()
            .any(|part| !part.as_os_str().is_empty() && self.glob.is_match(part))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let relative = text.trim_start_matches("./").trim_end_matches('/');
        if relative.is_empty() || relative.starts_with('/') {
            return Err(format!(
                "\"{text}\" must be a path below the program's folder, such as billing/**"
            ));
        }
        let glob = compile(relative)?;
        Ok(Self { text, glob })
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.text
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

fn compile(text: &str) -> Result<GlobMatcher, String> {
    let glob = globset::GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|error| format!("\"{text}\" is not a pattern: {}", error.kind()))?;
    Ok(glob.compile_matcher())
}

#[expect(clippy::expect_used, reason = "the pattern is written here")]
fn everything() -> GlobMatcher {
    Glob::new("*")
        .expect("a star is a pattern")
        .compile_matcher()
}
