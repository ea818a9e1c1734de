//! Take back: every process, then the old files, byte for byte, then whoever came meanwhile.

use super::fleet::{Fleet, FleetError};
use super::{StepError, order, verified};
use crate::files;
use homeostasis_domain::Candidate;
use homeostasis_domain::rollout::RolloutPlan;
use homeostasis_protocol::SwapOrder;
use std::collections::BTreeSet;
use std::path::Path;

/// Restores processes and files. A file that somebody changed in the meantime is theirs and is an error; the processes
/// are restored all the same. Returns the pids that run the old code again.
pub async fn take_back<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    candidate: &Candidate,
) -> Result<Vec<u32>, StepError> {
    let order = order(&plan.swap, candidate);
    let mut failure = None;
    unswap_all(fleet, plan, &order, &mut failure).await;
    for edit in &candidate.edits {
        if let Err(error) = files::replace(
            Path::new(&edit.path),
            &edit.new_sha256,
            edit.old_text.as_bytes(),
        ) {
            failure.get_or_insert(StepError::from(error));
        }
    }
    let done = unswap_all(fleet, plan, &order, &mut failure).await;
    match failure {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// Restores every process, in rounds, until nobody new has come; the first failure is kept and the others go on.
async fn unswap_all<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    order: &SwapOrder,
    failure: &mut Option<StepError>,
) -> Vec<u32> {
    let mut done = BTreeSet::new();
    loop {
        let pending: Vec<u32> = fleet
            .processes()
            .into_iter()
            .filter(|pid| !done.contains(pid))
            .collect();
        if pending.is_empty() {
            return done.into_iter().collect();
        }
        for pid in pending {
            done.insert(pid);
            match fleet.unswap(pid, order).await {
                Ok(answer) => {
                    let want = plan
                        .files
                        .iter()
                        .map(|file| (file.path.as_str(), file.old_sha256.as_str()));
                    if let Err(error) = verified(pid, &answer, want) {
                        failure.get_or_insert(error);
                    }
                }
                Err(FleetError::Gone) => {}
                Err(error @ FleetError::Silent) => {
                    failure.get_or_insert(StepError::Process {
                        pid,
                        reason: error.to_string(),
                    });
                }
            }
        }
    }
}
