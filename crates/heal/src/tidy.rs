//! What no step looks after: which swaps a new process has to apply, snapshots nobody needs, and what is too old or too
//! much to be kept.

use crate::handle::{Healer, Inner, lock};
use crate::notice::Notice;
use crate::{gather, snapshot};
use homeostasis_domain::heal::State;
use homeostasis_domain::rollout::PlannedFile;
use homeostasis_domain::{HealId, Outcome};
use homeostasis_protocol::SwapState;
use homeostasis_rollout::drivers::swap;
use homeostasis_store::StoreError;
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;

/// What is too old is looked for each time after so many others; whether it is too much, each time.
const ROUNDS_BETWEEN: u32 = 10;

/// Looks around now and then, for ever.
pub(crate) async fn run(healer: Healer) {
    let mut over = false;
    for round in 0_u32.. {
        if let Err(error) = sweep(&healer.inner).await {
            healer.inner.trouble(format!("tidying up failed: {error}"));
        }
        match prune(&healer.inner, round % ROUNDS_BETWEEN == 0, over).await {
            Ok(still) => over = still,
            Err(error) => healer
                .inner
                .trouble(format!("old failures could not be let go: {error}")),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Lets go what is too old or too much. True when there is more left than may be, which is told once.
async fn prune(inner: &Inner, in_turn: bool, was_over: bool) -> Result<bool, StoreError> {
    let retention = &inner.config.retention;
    if !in_turn && (was_over || !inner.store.is_over(retention).await?) {
        return Ok(was_over);
    }
    let now = Timestamp::now();
    let pruned = inner
        .store
        .prune(retention, retention.age(), now, &in_force)
        .await?;
    if !pruned.is_nothing() || (pruned.over && !was_over) {
        inner.tell(Notice::Pruned { pruned });
    }
    Ok(pruned.over)
}

/// Whether the change of a healed heal is still what lies on disk, in one file at least: then its log is needed, to take
/// it back and to tell processes that start.
pub fn in_force(state: &State) -> bool {
    let files = state.plan.as_ref().map(|plan| plan.files.as_slice());
    let mut files = files.unwrap_or_default().iter();
    files.any(|file| on_disk(file, &file.new_sha256))
}

/// After its hello a process is looked at again at these times, since nobody knows how long its modules take to load.
const LOOKS: [u64; 5] = [1, 2, 4, 8, 16];

/// A process that connects may have read a file a moment before it changed. Shortly after its hello, when its modules
/// are loaded, it is asked to run what is on disk: the new code of live heals, the old code of those taken back.
pub(crate) async fn bring_up_to_date(healer: Healer, pid: u32) {
    for seconds in LOOKS {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        match bring_up(&healer.inner, pid).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => healer.inner.trouble(format!(
                "process {pid} may run an older version of a file: {}",
                crate::intake::chain(&error)
            )),
        }
    }
}

/// True when every file in question is loaded, so that there is no need to look again.
async fn bring_up(inner: &Inner, pid: u32) -> Result<bool, StoreError> {
    let mut loaded = true;
    for heal in latest(inner).await? {
        if settled(inner, &heal).await?.is_none() {
            continue;
        }
        // No step of this heal comes between what is read here and what is asked.
        let _own = inner.lock_heal(&heal).await;
        let Some((state, live)) = settled(inner, &heal).await? else {
            continue;
        };
        let (Some(plan), Some(candidate)) = (&state.plan, state.chosen()) else {
            continue;
        };
        let wanted = |file: &PlannedFile| {
            if live {
                file.new_sha256.clone()
            } else {
                file.old_sha256.clone()
            }
        };
        if !plan.files.iter().all(|file| on_disk(file, &wanted(file))) {
            continue;
        }
        let order = swap::order(&plan.swap, candidate);
        let asked = if live {
            inner.agents.swap(pid, &order).await
        } else {
            inner.agents.unswap(pid, &order).await
        };
        match asked {
            // A process that went away has no version.
            Err(_) => return Ok(true),
            Ok(answer) => {
                loaded &= answer.state != SwapState::NotLoaded;
                if !answer.ok {
                    tracing::debug!(pid, reason = answer.reason, "not brought up to date");
                }
            }
        }
    }
    Ok(loaded)
}

/// The latest heal of each incident.
async fn latest(inner: &Inner) -> Result<Vec<HealId>, StoreError> {
    let incidents = inner.store.incidents().await?;
    Ok(incidents
        .into_iter()
        .filter_map(|summary| summary.heal)
        .collect())
}

/// A heal whose files are in one of two states for good: live (true) or taken back (false).
async fn settled(inner: &Inner, heal: &HealId) -> Result<Option<(State, bool)>, StoreError> {
    let log = inner.store.log(heal).await?;
    let Ok(state) = State::replay(&log) else {
        return Ok(None);
    };
    let taken_back = matches!(state.outcome(), Some(Outcome::RolledBack { .. }));
    let live = state.is_live();
    Ok((live || taken_back).then_some((state, live)))
}

/// After a restart: the texts that processes may be running, so that late failures of either version are recognised.
pub(crate) async fn remember_versions(inner: &Inner) -> Result<(), StoreError> {
    for heal in latest(inner).await? {
        let log = inner.store.log(&heal).await?;
        let Ok(state) = State::replay(&log) else {
            continue;
        };
        if let (Some(_), Some(candidate)) = (&state.plan, state.chosen()) {
            lock(&inner.versions).take(&candidate.edits);
        }
    }
    Ok(())
}

fn on_disk(file: &PlannedFile, sha256: &str) -> bool {
    homeostasis_rollout::files::hash_of(Path::new(&file.path)).is_ok_and(|hash| hash == sha256)
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
    for heal in latest(inner).await? {
        let Some((state, true)) = settled(inner, &heal).await? else {
            continue;
        };
        let (Some(plan), Some(candidate)) = (&state.plan, state.chosen()) else {
            continue;
        };
        if plan
            .files
            .iter()
            .all(|file| on_disk(file, &file.new_sha256))
        {
            live.push(swap::order(&plan.swap, candidate));
        }
    }
    inner.agents.set_swaps(live);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_domain::id::content_hash;
    use homeostasis_domain::rollout::RolloutPlan;
    use homeostasis_domain::{CandidateId, SwapId};

    #[test]
    fn a_change_is_in_force_as_long_as_one_of_its_files_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.py"), folder.path().join("b.py"));
        let planned = |path: &Path| PlannedFile {
            path: path.to_string_lossy().into_owned(),
            old_sha256: content_hash(b"old"),
            new_sha256: content_hash(b"new"),
        };
        let state = State {
            plan: Some(RolloutPlan {
                swap: SwapId::new("swap"),
                candidate: CandidateId::new("candidate"),
                driver: "swap".to_string(),
                files: vec![planned(&first), planned(&second)],
                canary: None,
                processes: Vec::new(),
            }),
            ..State::default()
        };
        for (one, other, expected) in [
            ("new", "new", true),
            ("edited", "new", true),
            ("old", "edited", false),
        ] {
            std::fs::write(&first, one).unwrap();
            std::fs::write(&second, other).unwrap();
            assert_eq!(in_force(&state), expected, "{one} {other}");
        }
        std::fs::remove_file(&first).unwrap();
        assert!(!in_force(&state));
        assert!(!in_force(&State::default()));
    }
}
