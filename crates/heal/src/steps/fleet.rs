//! The connected agents as the rollout driver wants to see them.

use homeostasis_ingest::agent::{Agents, AskError};
use homeostasis_protocol::{ReportFile, StateFile, SwapAnswer, SwapOrder};
use homeostasis_rollout::drivers::swap::{Fleet, FleetError};

pub(crate) struct Connected<'a>(pub(crate) &'a Agents);

impl Fleet for Connected<'_> {
    fn processes(&self) -> Vec<u32> {
        self.0
            .processes()
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    async fn swap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, FleetError> {
        self.0
            .swap(pid, order)
            .await
            .map_err(|error| fleet_error(pid, &error))
    }

    async fn unswap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, FleetError> {
        self.0
            .unswap(pid, order)
            .await
            .map_err(|error| fleet_error(pid, &error))
    }

    async fn report(&self, pid: u32, files: Vec<ReportFile>) -> Result<Vec<StateFile>, FleetError> {
        self.0
            .report(pid, files)
            .await
            .map_err(|error| fleet_error(pid, &error))
    }
}

/// A process that does not answer because it has ended is gone, not silent.
fn fleet_error(pid: u32, error: &AskError) -> FleetError {
    let alive = std::path::Path::new(&format!("/proc/{pid}")).exists();
    match error {
        AskError::Silent(_) if alive => FleetError::Silent,
        AskError::Silent(_) | AskError::Gone(_) => FleetError::Gone,
    }
}
