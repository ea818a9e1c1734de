//! What people may do to a heal.

use crate::drive;
use crate::handle::{Healer, RecordError};
use crate::intake::chain;
use homeostasis_domain::heal::{HealEvent, Phase, State};
use homeostasis_domain::{HealId, IncidentId, Outcome};
use homeostasis_store::StoreError;
use thiserror::Error;

/// Why a command was not carried out. Nothing was changed then.
#[derive(Debug, Error)]
pub enum CommandError {
    /// There is nothing to decide.
    #[error("incident {incident} has nothing to {command}: {why}")]
    NotNow {
        /// Which incident.
        incident: IncidentId,
        /// Which command.
        command: &'static str,
        /// Where it stands.
        why: String,
    },
    /// It was tried and did not work.
    #[error("{0}")]
    Failed(String),
    /// The store could not be read or written.
    #[error("the command could not be kept: {0}")]
    Store(String),
}

impl From<RecordError> for CommandError {
    fn from(error: RecordError) -> Self {
        CommandError::Store(chain(&error))
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        CommandError::Store(chain(&error))
    }
}

impl Healer {
    /// Agrees with the remedy that waits.
    pub async fn approve(&self, incident: &IncidentId, by: &str) -> Result<HealId, CommandError> {
        let waiting = |state: &State| state.phase == Phase::Waiting;
        self.command(
            incident,
            "approve",
            by,
            waiting,
            HealEvent::Approved { by: by.to_string() },
        )
        .await
    }

    /// Refuses the remedy that waits.
    pub async fn reject(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        let waiting = |state: &State| state.phase == Phase::Waiting;
        let event = HealEvent::Rejected {
            by: by.to_string(),
            reason: reason.to_string(),
        };
        self.command(incident, "reject", by, waiting, event).await
    }

    /// Takes back what was rolled out, or is being rolled out.
    pub async fn rollback(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        let live = |state: &State| {
            (state.touches_program() && !matches!(state.phase, Phase::RollingBack { .. }))
                || matches!(
                    state.phase,
                    Phase::Closed {
                        outcome: Outcome::Healed { .. }
                    }
                )
        };
        let event = HealEvent::RollbackAsked {
            by: by.to_string(),
            reason: reason.to_string(),
        };
        self.command(incident, "roll back", by, live, event).await
    }

    /// The one switch: stops (or resumes) all healing. What has reached the program is still carried to a whole state.
    pub async fn stop(&self, stopped: bool, by: &str) -> Result<(), CommandError> {
        self.inner.store.put_meta("stopped", &stopped).await?;
        self.inner.set_stopped(stopped);
        let detail = serde_json::json!({ "stopped": stopped });
        let service = self.inner.config.service.clone();
        self.inner
            .audit(by, "policy.stop", &service, detail)
            .await
            .map_err(|error| CommandError::Store(chain(&error)))
    }

    /// Appends what a person decided to the incident's latest heal, if it stands where that can be decided.
    async fn command(
        &self,
        incident: &IncidentId,
        command: &'static str,
        by: &str,
        allowed: impl Fn(&State) -> bool,
        event: HealEvent,
    ) -> Result<HealId, CommandError> {
        let inner = &self.inner;
        let not_now = |why: &str| CommandError::NotNow {
            incident: incident.clone(),
            command,
            why: why.to_string(),
        };
        let heal = inner
            .store
            .heals_of(incident)
            .await?
            .pop()
            .ok_or_else(|| not_now("no heal has begun"))?;
        let _turn = inner.lock_heal(&heal).await;
        let state = inner.state(&heal).await?;
        if !allowed(&state) {
            let why = match state.outcome() {
                Some(outcome) => format!(
                    "its last heal ended: {} ({})",
                    outcome.name(),
                    outcome.reason()
                ),
                None => format!("its heal is {}", state.phase.name()),
            };
            return Err(not_now(&why));
        }
        inner.record(&heal, &state, event, by).await?;
        drive::spawn(self, heal.clone());
        Ok(heal)
    }
}
