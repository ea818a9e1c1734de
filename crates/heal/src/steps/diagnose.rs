//! Diagnose: run the engines on the capsule and the sources as they are now.

use super::Failure;
use crate::gather;
use crate::handle::Inner;
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::{Capsule, Diagnosis, HealId};
use std::sync::Arc;

pub(crate) async fn perform(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    let event = super::source(inner, state).await?;
    let diagnosis = run(inner, heal, event.capsule).await?;
    Ok(HealEvent::Diagnosed { diagnosis })
}

/// Diagnoses a capsule against the heal's snapshot.
pub(crate) async fn run(
    inner: &Arc<Inner>,
    heal: &HealId,
    capsule: Capsule,
) -> Result<Diagnosis, Failure> {
    let snapshot = gather::snapshot(inner, heal).await?;
    let root = inner.config.root.clone();
    let diagnosis = tokio::task::spawn_blocking(move || {
        let sources = gather::sources(&root, &snapshot, &capsule);
        let root = root.to_string_lossy();
        homeostasis_diagnose::diagnose(&homeostasis_diagnose::Input {
            capsule: &capsule,
            sources: &sources,
            root: &root,
        })
    });
    Ok(diagnosis.await?)
}
