//! What this driver needs of the connected processes.

use homeostasis_protocol::{ReportFile, StateFile, SwapAnswer, SwapOrder};
use std::future::Future;
use thiserror::Error;

/// A process could not be asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FleetError {
    /// It is not there any more. What starts in its place reads the file from disk.
    #[error("it is gone")]
    Gone,
    /// It does not answer.
    #[error("it does not answer")]
    Silent,
}

/// The processes of the program, reached through their agents.
pub trait Fleet: Sync {
    /// Pids of the processes connected now.
    fn processes(&self) -> Vec<u32>;
    /// Puts new code into one process.
    fn swap(
        &self,
        pid: u32,
        order: &SwapOrder,
    ) -> impl Future<Output = Result<SwapAnswer, FleetError>> + Send;
    /// Puts the old code back into one process.
    fn unswap(
        &self,
        pid: u32,
        order: &SwapOrder,
    ) -> impl Future<Output = Result<SwapAnswer, FleetError>> + Send;
    /// Asks one process which of the sources it runs.
    fn report(
        &self,
        pid: u32,
        files: Vec<ReportFile>,
    ) -> impl Future<Output = Result<Vec<StateFile>, FleetError>> + Send;
}
