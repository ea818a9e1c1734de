//! A candidate: one possible remedy, with what it is expected to do and how safe its author says it is.

use crate::id::{CandidateId, content_hash, digest};
use serde::{Deserialize, Serialize};

/// One possible remedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Derived from the edits.
    pub id: CandidateId,
    /// Who proposed it.
    pub origin: CandidateOrigin,
    /// How far its author vouches for it.
    pub safety: Safety,
    /// One line, imperative.
    pub title: String,
    /// Why this is the remedy, in sentences.
    pub rationale: String,
    /// What the failing request should get once healed.
    pub answer: Answer,
    /// Whole-file edits; every file at most once.
    pub edits: Vec<FileEdit>,
    /// Unified diff of all edits, for people.
    pub diff: String,
    /// Larger is tried first; comparable within one incident only.
    pub score: f64,
}

/// Who proposed a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum CandidateOrigin {
    /// A rule of a rule pack.
    Rule {
        /// Rule id.
        rule: String,
        /// Which of its fixes.
        fix: String,
    },
    /// A person.
    Person {
        /// Who.
        name: String,
    },
}

/// How far a remedy may be trusted before any trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Safety {
    /// Shown to people, never applied.
    ShowOnly,
    /// May change the meaning; needs evidence that it does not, or a person.
    Unsafe,
    /// Keeps the meaning of everything that worked.
    Safe,
}

/// What the failing request should be answered with once healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What it asked for: a status below 400, and the work done.
    Success,
    /// A refusal that tells the client what is wrong with the request: 400 to 499.
    ClientError,
}

/// A new text for one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEdit {
    /// Absolute path in the running program's tree.
    pub path: String,
    /// Content hash of the text it was made for.
    pub old_sha256: String,
    /// Content hash of the new text.
    pub new_sha256: String,
    /// The text it was made for.
    pub old_text: String,
    /// The new text.
    pub new_text: String,
}

impl FileEdit {
    /// An edit from one text to another.
    pub fn new(
        path: impl Into<String>,
        old_text: impl Into<String>,
        new_text: impl Into<String>,
    ) -> Self {
        let (old_text, new_text) = (old_text.into(), new_text.into());
        Self {
            path: path.into(),
            old_sha256: content_hash(old_text.as_bytes()),
            new_sha256: content_hash(new_text.as_bytes()),
            old_text,
            new_text,
        }
    }
}

impl Candidate {
    /// The id that belongs to a set of edits.
    pub fn id_of(edits: &[FileEdit]) -> CandidateId {
        let parts = edits.iter().flat_map(|edit| {
            [
                edit.path.as_str(),
                edit.old_sha256.as_str(),
                edit.new_sha256.as_str(),
            ]
        });
        CandidateId::new(&digest(parts)[..12])
    }
}
