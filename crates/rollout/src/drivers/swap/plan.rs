//! Plan: look at files and processes, touch nothing, and refuse early.

use super::fleet::{Fleet, FleetError};
use super::order;
use crate::files;
use homeostasis_domain::rollout::{PlannedFile, RolloutPlan};
use homeostasis_domain::{Candidate, SwapId};
use homeostasis_protocol::{OfferedSource, ReportFile};
use std::path::Path;
use thiserror::Error;

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanRefused {
    /// The candidate was made for other files than those on disk now: it has to be made and tried again.
    #[error("{path} is no longer the file that the candidate was made for")]
    Stale {
        /// Which file.
        path: String,
    },
    /// A file cannot be replaced.
    #[error(transparent)]
    File(#[from] files::ReplaceError),
    /// A process runs neither the old nor the new source.
    #[error(
        "process {pid} runs other code for {path} than what is on disk; restart the program, then this can be healed"
    )]
    UnknownCode {
        /// Which process.
        pid: u32,
        /// Which file.
        path: String,
    },
    /// A process cannot be asked.
    #[error("process {pid} cannot be asked what it runs: {error}")]
    Unreachable {
        /// Which process.
        pid: u32,
        /// Why.
        error: FleetError,
    },
}

/// What one process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Process id.
    pub pid: u32,
    /// It has loaded at least one of the files.
    pub loaded: bool,
}

/// Makes the plan. `busiest` are pids in the order in which they make good canaries (the one that answers most of the
/// route's requests first); processes that have not loaded the files are never canaries.
pub async fn plan<F: Fleet>(
    fleet: &F,
    swap: SwapId,
    candidate: &Candidate,
    busiest: &[u32],
) -> Result<RolloutPlan, PlanRefused> {
    for edit in &candidate.edits {
        let path = Path::new(&edit.path);
        let found = files::hash_of(path)?;
        if found != edit.old_sha256 && found != edit.new_sha256 {
            return Err(PlanRefused::Stale {
                path: edit.path.clone(),
            });
        }
        files::can_replace(path)?;
    }
    let running = ask_all(fleet, candidate).await?;
    let loaded = |pid: u32| {
        running
            .iter()
            .any(|process| process.pid == pid && process.loaded)
    };
    let canary = busiest.iter().copied().find(|pid| loaded(*pid));
    let canary = canary.or_else(|| {
        running
            .iter()
            .find(|process| process.loaded)
            .map(|process| process.pid)
    });
    Ok(RolloutPlan {
        swap,
        candidate: candidate.id.clone(),
        driver: "swap".to_string(),
        files: candidate
            .edits
            .iter()
            .map(|edit| PlannedFile {
                path: edit.path.clone(),
                old_sha256: edit.old_sha256.clone(),
                new_sha256: edit.new_sha256.clone(),
            })
            .collect(),
        canary,
        processes: running.iter().map(|process| process.pid).collect(),
    })
}

async fn ask_all<F: Fleet>(fleet: &F, candidate: &Candidate) -> Result<Vec<Running>, PlanRefused> {
    let files: Vec<ReportFile> = order(&SwapId::new(""), candidate)
        .files
        .into_iter()
        .map(|file| ReportFile {
            path: file.path,
            sources: vec![
                OfferedSource {
                    sha256: file.old_sha256,
                    source: file.old,
                },
                OfferedSource {
                    sha256: file.new_sha256,
                    source: file.new,
                },
            ],
        })
        .collect();
    let mut running = Vec::new();
    for pid in fleet.processes() {
        let states = match fleet.report(pid, files.clone()).await {
            Ok(states) => states,
            Err(FleetError::Gone) => continue,
            Err(error) => return Err(PlanRefused::Unreachable { pid, error }),
        };
        if let Some(unknown) = states
            .iter()
            .find(|state| state.loaded && state.sha256.is_none())
        {
            return Err(PlanRefused::UnknownCode {
                pid,
                path: unknown.path.clone(),
            });
        }
        running.push(Running {
            pid,
            loaded: states.iter().any(|state| state.loaded),
        });
    }
    Ok(running)
}
