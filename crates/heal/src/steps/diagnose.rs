//! Diagnose: run the engines on the capsule and the sources as they are now.

use super::Failure;
use crate::gather;
use crate::handle::Inner;
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::{Capsule, Diagnosis};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) async fn perform(inner: &Arc<Inner>, state: &State) -> Result<HealEvent, Failure> {
    let event = super::source(inner, state).await?;
    let tree = inner.config.root.clone();
    let diagnosis = run(inner, tree, event.capsule).await?;
    Ok(HealEvent::Diagnosed { diagnosis })
}

/// Diagnoses a capsule against the sources in `tree`, which is the program's folder or a copy of it.
pub(crate) async fn run(
    inner: &Arc<Inner>,
    tree: PathBuf,
    capsule: Capsule,
) -> Result<Diagnosis, Failure> {
    let (root, of) = (inner.config.root.clone(), capsule.clone());
    let sources = tokio::task::spawn_blocking(move || gather::sources(&root, &tree, &of)).await?;
    on(inner, Arc::new(sources), capsule).await
}

/// Diagnoses a capsule against these sources.
pub(crate) async fn on(
    inner: &Arc<Inner>,
    sources: Arc<BTreeMap<String, String>>,
    capsule: Capsule,
) -> Result<Diagnosis, Failure> {
    let root = inner.config.root.to_string_lossy().into_owned();
    let diagnosis = tokio::task::spawn_blocking(move || {
        homeostasis_diagnose::diagnose(&homeostasis_diagnose::Input {
            capsule: &capsule,
            sources: &sources,
            root: &root,
        })
    });
    Ok(diagnosis.await?)
}
