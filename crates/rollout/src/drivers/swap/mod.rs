//! Swap in the process: the agents replace code objects, one process first, then all; the file on disk follows.
//!
//! Order of things, so that a crash at any instant leaves every process on one whole version: the canary is swapped in
//! memory only, so whatever starts meanwhile starts on the old file; promotion swaps the processes, writes the files,
//! and swaps whoever started in between; taking back does the same the other way. A process that connects later is
//! brought to the version it should have by the caller (`heal`), since it may have read the files a moment before.
//! Each step asks what is there before it acts, and may be repeated.

mod fleet;
mod plan;
mod promote;
mod start;
mod take_back;

pub use fleet::{Fleet, FleetError};
pub use plan::{PlanRefused, Running, plan};
pub use promote::promote;
pub use start::start;
pub use take_back::take_back;

use homeostasis_domain::Candidate;
use homeostasis_protocol::{StateFile, SwapAnswer, SwapFile, SwapOrder, SwapState};
use thiserror::Error;

/// Why a step did not come to its end. It may be repeated.
#[derive(Debug, Error)]
pub enum StepError {
    /// A file on disk could not be replaced.
    #[error(transparent)]
    File(#[from] crate::files::ReplaceError),
    /// A process refused or failed.
    #[error("process {pid}: {reason}")]
    Process {
        /// Which.
        pid: u32,
        /// Why.
        reason: String,
    },
    /// A process answers that it runs something else than it should.
    #[error("process {pid} runs other code than it should: {path}")]
    Unverified {
        /// Which.
        pid: u32,
        /// Which file.
        path: String,
    },
}

/// The order to agents that belongs to a candidate.
pub fn order(swap: &homeostasis_domain::SwapId, candidate: &Candidate) -> SwapOrder {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let files = candidate
        .edits
        .iter()
        .map(|edit| SwapFile {
            path: edit.path.clone(),
            old: encode(&edit.old_text),
            new: encode(&edit.new_text),
            old_sha256: edit.old_sha256.clone(),
            new_sha256: edit.new_sha256.clone(),
        })
        .collect();
    SwapOrder {
        swap: swap.to_string(),
        files,
    }
}

/// Checks an agent's answer against what was ordered: both sides must name the same content.
fn verified<'a>(
    pid: u32,
    answer: &SwapAnswer,
    want: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), StepError> {
    if !answer.ok {
        let reason = if answer.reason.is_empty() {
            format!("{:?}", answer.state)
        } else {
            answer.reason.clone()
        };
        return Err(StepError::Process { pid, reason });
    }
    if answer.state == SwapState::NotLoaded {
        // It has none of the files yet, and will read them from disk.
        return Ok(());
    }
    for (path, sha256) in want {
        let there = answer.files.iter().find(|file| file.path == path);
        if !there.is_none_or(|file| runs(file, sha256)) {
            return Err(StepError::Unverified {
                pid,
                path: path.to_string(),
            });
        }
    }
    Ok(())
}

/// True when the process runs this source, or has not loaded the file and will read it from disk.
fn runs(file: &StateFile, sha256: &str) -> bool {
    !file.loaded || file.sha256.as_deref() == Some(sha256)
}
