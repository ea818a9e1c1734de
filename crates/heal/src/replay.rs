//! A capsule that is run again in the sandbox because somebody asks, outside of any heal.

use crate::commands::CommandError;
use crate::handle::Healer;
use crate::intake::chain;
use crate::steps::reproduced_by_itself;
use crate::{gather, snapshot};
use homeostasis_domain::{EventId, HealId, IncidentId, Trial};

impl Healer {
    /// Runs the incident's newest capsule on the program as it is now. The trial has the check `reproduces`; its event
    /// is the one that was run. The code in the sandbox is the unpatched program's, and nothing is decided by it.
    pub async fn replay(
        &self,
        incident: &IncidentId,
        by: &str,
    ) -> Result<(EventId, Trial), CommandError> {
        let inner = &self.inner;
        let newest = inner.store.events_of(incident, 1).await?.into_iter().next();
        let Some(event) = newest else {
            return Err(CommandError::NotNow {
                incident: incident.clone(),
                command: "run again",
                why: "nothing of it is kept but its count".to_string(),
            });
        };
        let id = event.id.clone();
        let detail = serde_json::json!({ "event": id });
        inner
            .audit(by, "capsule.replay", incident.as_str(), detail)
            .await
            .map_err(|error| CommandError::Store(chain(&error)))?;
        // No heal has the number 0: its snapshot is nobody else's.
        let own = HealId::of(incident, 0);
        let _alone = inner.lock_heal(&own).await;
        let _trials = inner.trials.clone().acquire_owned().await;
        let folder = gather::snapshot_folder(inner, &own);
        snapshot::remove(&folder);
        // The sweep of snapshots knows heals only.
        let held = snapshot::hold(&folder);
        let trial = reproduced_by_itself(inner, &own, event).await;
        drop(held);
        snapshot::remove(&folder);
        trial
            .map(|trial| (id, trial))
            .map_err(|error| CommandError::Failed(chain(error.as_ref())))
    }
}
