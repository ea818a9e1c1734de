//! Start: the canary gets the new code, in memory only.

use super::fleet::{Fleet, FleetError};
use super::{StepError, order, verified};
use homeostasis_domain::Candidate;
use homeostasis_domain::rollout::RolloutPlan;

/// Swaps the canary. Returns the processes that run the new code: one, or none when no process has loaded the files
/// (or the canary went away, which is no harm: what takes its place runs the old file).
pub async fn start<F: Fleet>(
    fleet: &F,
    plan: &RolloutPlan,
    candidate: &Candidate,
) -> Result<Vec<u32>, StepError> {
    let Some(pid) = plan.canary else {
        return Ok(Vec::new());
    };
    let order = order(&plan.swap, candidate);
    match fleet.swap(pid, &order).await {
        Ok(answer) => {
            let want = plan
                .files
                .iter()
                .map(|file| (file.path.as_str(), file.new_sha256.as_str()));
            verified(pid, &answer, want)?;
            Ok(vec![pid])
        }
        Err(FleetError::Gone) => Ok(Vec::new()),
        Err(error @ FleetError::Silent) => Err(StepError::Process {
            pid,
            reason: error.to_string(),
        }),
    }
}
