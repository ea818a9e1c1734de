//! Propose: diagnose again from what the reproduction showed, and let the strategies make candidates.
//!
//! The reproduction ran on the very files the candidates are made for, so its positions and values fit them, also when
//! the capsule is from before another heal moved lines about.

use super::{Failure, diagnose, prove};
use crate::gather;
use crate::handle::Inner;
use homeostasis_domain::HealId;
use homeostasis_domain::heal::{HealEvent, State};
use std::sync::Arc;

pub(crate) async fn perform(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    let event = super::source(inner, state).await?;
    let capsule = prove::reproduced_capsule(inner, heal, event).await?;
    let snapshot = gather::snapshot(inner, heal).await?;
    let diagnosis = diagnose::run(inner, snapshot.tree.clone(), capsule.clone()).await?;
    let inner = inner.clone();
    let proposal = tokio::task::spawn_blocking(move || {
        let sources = gather::sources(&inner.config.root, &snapshot.tree, &capsule);
        homeostasis_repair::propose(&homeostasis_repair::Input {
            diagnosis: &diagnosis,
            capsule: &capsule,
            sources: &sources,
            pack: &inner.pack,
        })
    });
    let proposal = proposal.await?;
    Ok(HealEvent::Proposed {
        candidates: proposal.candidates,
        declined: proposal.declined,
    })
}
