//! What the API stands on: the running orchestrator, or only its store when none runs.

use homeostasis_domain::{EventId, HealId, IncidentId, Trial};
use homeostasis_rulepack::Pack;
use homeostasis_store::Store;
use serde::Serialize;
use std::future::Future;
use thiserror::Error;
use tokio::sync::broadcast;

/// What the API stands on. Clones are the same one.
pub trait Backend: Clone + Send + Sync + 'static {
    /// How things stand, for people.
    type Status: Serialize + Send;
    /// One thing that happened.
    type Notice: Serialize + Clone + Send + 'static;

    /// Where everything is read from.
    fn store(&self) -> &Store;

    /// The rules in use.
    fn pack(&self) -> &Pack;

    /// How things stand.
    fn status(&self) -> impl Future<Output = Result<Self::Status, CommandError>> + Send;

    /// Agrees with the remedy that waits.
    fn approve(
        &self,
        incident: &IncidentId,
        by: &str,
    ) -> impl Future<Output = Result<HealId, CommandError>> + Send;

    /// Refuses the remedy that waits.
    fn reject(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> impl Future<Output = Result<HealId, CommandError>> + Send;

    /// Asks for what was rolled out to be taken back.
    fn rollback(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> impl Future<Output = Result<HealId, CommandError>> + Send;

    /// Runs the incident's newest capsule again in the sandbox; which event that was, and what came of it.
    fn replay(
        &self,
        incident: &IncidentId,
        by: &str,
    ) -> impl Future<Output = Result<(EventId, Trial), CommandError>> + Send;

    /// Stops all healing, or lets it go on.
    fn stop(
        &self,
        stopped: bool,
        by: &str,
    ) -> impl Future<Output = Result<(), CommandError>> + Send;

    /// Everything that happens from now on; `None` when nothing can happen, because nothing runs.
    fn subscribe(&self) -> Option<broadcast::Receiver<Self::Notice>>;
}

/// Why a command was not carried out. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It does not fit how the incident stands.
    #[error("{0}")]
    NotNow(String),
    /// Nothing runs that could do it.
    #[error("{0}")]
    Unavailable(String),
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
}
