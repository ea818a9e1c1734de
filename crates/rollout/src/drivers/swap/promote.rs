//! Promote: every process, then the files, then whoever came meanwhile.

use super::fleet::{Fleet, FleetError};
use super::{StepError, order, verified};
use crate::files;
use homeostasis_domain::Candidate;
use homeostasis_domain::rollout::RolloutPlan;
use homeostasis_protocol::SwapOrder;
use std::collections::BTreeSet;
use std::path::Path;

/// Swaps all processes and writes the new files. Returns the pids that run, or will load, the new code. On error some
/// processes run the new and some the old code, each of them whole; the caller repeats or takes it back.
pub async fn promote<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    candidate: &Candidate,
) -> Result<Vec<u32>, StepError> {
    let order = order(&plan.swap, candidate);
    // A process that runs the new code knows its source, so what it says of its lines is right even while the file is
    // still the old one. The other way round its lines would be read from a file that it does not run.
    swap_all(fleet, plan, &order).await?;
    for edit in &candidate.edits {
        files::replace(
            Path::new(&edit.path),
            &edit.old_sha256,
            edit.new_text.as_bytes(),
        )?;
    }
    // Whoever started before the files were written has read the old ones.
    swap_all(fleet, plan, &order).await
}

/// Swaps every process, in rounds, until nobody new has come.
async fn swap_all<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    order: &SwapOrder,
) -> Result<Vec<u32>, StepError> {
    let mut done = BTreeSet::new();
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
            match fleet.swap(pid, order).await {
                Ok(answer) => {
                    let want = plan
                        .files
                        .iter()
                        .map(|file| (file.path.as_str(), file.new_sha256.as_str()));
                    verified(pid, &answer, want)?;
                    done.insert(pid);
                }
                Err(FleetError::Gone) => {
                    done.insert(pid);
                }
                Err(error @ FleetError::Silent) => {
                    return Err(StepError::Process {
                        pid,
                        reason: error.to_string(),
                    });
                }
            }
        }
    }
}
