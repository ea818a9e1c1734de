//! Promote: files first, then every process.

use super::fleet::{Fleet, FleetError};
use super::{StepError, order, verified};
use crate::files;
use homeostasis_domain::Candidate;
use homeostasis_domain::rollout::RolloutPlan;
use std::collections::BTreeSet;
use std::path::Path;

/// Writes the new files and swaps all processes, also those that appear meanwhile. Returns the pids that run, or will
/// load, the new code. On error some processes run the new and some the old code, each of them whole; the caller
/// repeats or takes it back.
pub async fn promote<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    candidate: &Candidate,
) -> Result<Vec<u32>, StepError> {
    for edit in &candidate.edits {
        files::replace(
            Path::new(&edit.path),
            &edit.old_sha256,
            edit.new_text.as_bytes(),
        )?;
    }
    let order = order(&plan.swap, candidate);
    let mut done = BTreeSet::new();
    // A process may start while the others are swapped. It has read the old file only if it began before the files
    // were written, so one more round finds it; rounds end when nobody new has come.
    loop {
        let pending: Vec<u32> = fleet
            .processes()
            .into_iter()
            .filter(|pid| !done.contains(pid))
            .collect();
        if pending.is_empty() {
            return Ok(done.into_iter().collect());
        }
        for pid in pending {
            match fleet.swap(pid, &order).await {
                Ok(answer) => {
                    let want = plan
                        .files
                        .iter()
                        .map(|file| (file.path.as_str(), file.new_sha256.as_str()));
                    verified(pid, &answer, want)?;
                }
                Err(FleetError::Gone) => {}
                Err(error @ FleetError::Silent) => {
                    return Err(StepError::Process {
                        pid,
                        reason: error.to_string(),
                    });
                }
            }
            done.insert(pid);
        }
    }
}
