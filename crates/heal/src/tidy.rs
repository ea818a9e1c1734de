//! What no step looks after: which swaps a new process has to apply, and snapshots nobody needs.

use crate::handle::{Healer, Inner};
use crate::{gather, snapshot};
use homeostasis_domain::HealId;
use homeostasis_domain::heal::State;
use homeostasis_rollout::drivers::swap;
use homeostasis_store::StoreError;
use std::path::Path;
use std::time::Duration;

/// Looks around now and then, for ever.
pub(crate) async fn run(healer: Healer) {
    loop {
        if let Err(error) = sweep(&healer.inner).await {
            healer.inner.trouble(format!("tidying up failed: {error}"));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Removes the snapshots of closed heals.
async fn sweep(inner: &Inner) -> Result<(), StoreError> {
    let folder = inner.store.folder().join("snapshots");
    let Ok(items) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    let unfinished = inner.store.unfinished().await?;
    for item in items.flatten() {
        let heal = HealId::new(item.file_name().to_string_lossy());
        if !unfinished.contains(&heal) {
            snapshot::remove(&gather::snapshot_folder(inner, &heal));
        }
    }
    Ok(())
}

/// Tells agents that connect from now on which swaps are live: a worker that a preloading master forks runs what the
/// master loaded, not what is on disk. A swap whose files have been changed since by a person is nobody's business.
pub(crate) async fn refresh_swaps(inner: &Inner) -> Result<(), StoreError> {
    let mut live = Vec::new();
    for summary in inner.store.incidents().await? {
        let Some(heal) = summary.heal else { continue };
        let log = inner.store.log(&heal).await?;
        let Ok(state) = State::replay(&log) else {
            continue;
        };
        if !state.is_live() {
            continue;
        }
        let (Some(plan), Some(candidate)) = (&state.plan, state.chosen()) else {
            continue;
        };
        let on_disk = plan.files.iter().all(|file| {
            homeostasis_rollout::files::hash_of(Path::new(&file.path))
                .is_ok_and(|hash| hash == file.new_sha256)
        });
        if on_disk {
            live.push(swap::order(&plan.swap, candidate));
        }
    }
    inner.agents.set_swaps(live);
    Ok(())
}
