//! What the API stands on in this binary: the running orchestrator, or only the store when none runs.

use anyhow::{Context, Result};
use homeostasis_api::{Backend, CommandError};
use homeostasis_domain::{EventId, HealId, IncidentId, Trial};
use homeostasis_heal::{Healer, Notice, Status};
use homeostasis_rulepack::Pack;
use homeostasis_store::{Key, Program, Store};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::broadcast;

/// The running orchestrator.
#[derive(Clone)]
pub(crate) struct Local(pub(crate) Healer);

/// Only the store: everything can be read, nothing can be decided.
#[derive(Clone)]
pub(crate) struct Offline {
    store: Store,
    pack: Arc<Pack>,
}

impl Backend for Local {
    type Status = Status;
    type Notice = Notice;

    fn store(&self) -> &Store {
        self.0.store()
    }

    fn pack(&self) -> &Pack {
        self.0.pack()
    }

    async fn status(&self) -> Result<Status, CommandError> {
        Ok(self.0.status())
    }

    async fn approve(&self, incident: &IncidentId, by: &str) -> Result<HealId, CommandError> {
        self.0.approve(incident, by).await.map_err(command_error)
    }

    async fn reject(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        self.0
            .reject(incident, by, reason)
            .await
            .map_err(command_error)
    }

    async fn rollback(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        self.0
            .rollback(incident, by, reason)
            .await
            .map_err(command_error)
    }

    async fn replay(
        &self,
        incident: &IncidentId,
        by: &str,
    ) -> Result<(EventId, Trial), CommandError> {
        self.0.replay(incident, by).await.map_err(command_error)
    }

    async fn stop(&self, stopped: bool, by: &str) -> Result<(), CommandError> {
        self.0.stop(stopped, by).await.map_err(command_error)
    }

    fn subscribe(&self) -> Option<broadcast::Receiver<Notice>> {
        Some(self.0.subscribe())
    }
}

fn command_error(error: homeostasis_heal::CommandError) -> CommandError {
    match &error {
        homeostasis_heal::CommandError::NotNow { .. } => CommandError::NotNow(error.to_string()),
        homeostasis_heal::CommandError::Failed(_) | homeostasis_heal::CommandError::Store(_) => {
            CommandError::Failed(error.to_string())
        }
    }
}

impl Offline {
    /// Opens the store for reading.
    pub(crate) async fn open(folder: &Path, key: Option<&Key>) -> Result<Offline> {
        let store = Store::open_with_key(folder, key)
            .await
            .with_context(|| format!("the store in {} cannot be opened", folder.display()))?;
        let (pack, _) = homeostasis_rulepack::load(&[]);
        Ok(Offline {
            store,
            pack: Arc::new(pack),
        })
    }

    fn nobody(&self) -> CommandError {
        CommandError::Unavailable(
            "Homeostasis is not running on this store, so nothing can be decided now".to_string(),
        )
    }
}

impl Backend for Offline {
    type Status = Status;
    type Notice = Notice;

    fn store(&self) -> &Store {
        &self.store
    }

    fn pack(&self) -> &Pack {
        &self.pack
    }

    async fn status(&self) -> Result<Status, CommandError> {
        let failed = |error: homeostasis_store::StoreError| CommandError::Failed(error.to_string());
        let program: Option<Program> = self.store.program().await.map_err(failed)?;
        let stopped = self
            .store
            .get_meta("stopped")
            .await
            .map_err(failed)?
            .unwrap_or(false);
        let program = program.as_ref();
        Ok(Status {
            service: program
                .map(|program| program.service.clone())
                .unwrap_or_default(),
            environment: program
                .map(|program| program.environment.clone())
                .unwrap_or_default(),
            mode: program
                .map(|program| program.mode.clone())
                .unwrap_or_default(),
            stopped,
            processes: Vec::new(),
            version: env!("CARGO_PKG_VERSION"),
            command: program
                .map(|program| program.command.clone())
                .unwrap_or_default(),
        })
    }

    async fn approve(&self, _: &IncidentId, _: &str) -> Result<HealId, CommandError> {
        Err(self.nobody())
    }

    async fn reject(&self, _: &IncidentId, _: &str, _: &str) -> Result<HealId, CommandError> {
        Err(self.nobody())
    }

    async fn rollback(&self, _: &IncidentId, _: &str, _: &str) -> Result<HealId, CommandError> {
        Err(self.nobody())
    }

    async fn replay(&self, _: &IncidentId, _: &str) -> Result<(EventId, Trial), CommandError> {
        Err(self.nobody())
    }

    async fn stop(&self, _: bool, _: &str) -> Result<(), CommandError> {
        Err(self.nobody())
    }

    fn subscribe(&self) -> Option<broadcast::Receiver<Notice>> {
        None
    }
}
