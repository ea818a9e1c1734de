//! The connected agents as the rollout driver wants to see them.

use crate::handle::Inner;
use homeostasis_ingest::agent::AskError;
use homeostasis_protocol::{ReportFile, StateFile, SwapAnswer, SwapOrder};
use homeostasis_rollout::drivers::swap::{Fleet, FleetError};
use std::time::Duration;

/// A process that ends closes its connection a little before it is gone.
const LAST_BREATH: Duration = Duration::from_millis(300);

pub(crate) struct Connected<'a>(pub(crate) &'a Inner);

impl Fleet for Connected<'_> {
    fn processes(&self) -> Vec<u32> {
        self.0.connected().into_iter().collect()
    }

    async fn swap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, FleetError> {
        self.told(pid, self.0.agents.swap(pid, order).await).await
    }

    async fn unswap(&self, pid: u32, order: &SwapOrder) -> Result<SwapAnswer, FleetError> {
        self.told(pid, self.0.agents.unswap(pid, order).await).await
    }

    async fn report(&self, pid: u32, files: Vec<ReportFile>) -> Result<Vec<StateFile>, FleetError> {
        self.told(pid, self.0.agents.report(pid, files).await).await
    }
}

impl Connected<'_> {
    /// Only a process that has ended is gone; one that lives and lost its connection has merely not answered, for what
    /// it runs is not known.
    async fn told<T>(&self, pid: u32, answer: Result<T, AskError>) -> Result<T, FleetError> {
        if let Ok(answer) = answer {
            return Ok(answer);
        }
        let ended = async {
            while self.0.roster().lives(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(LAST_BREATH, ended).await {
            Ok(()) => Err(FleetError::Gone),
            Err(_) => Err(FleetError::Silent),
        }
    }
}
