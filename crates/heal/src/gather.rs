//! Reading the world: what a step has to know, taken once and frozen.

use crate::handle::Inner;
use crate::snapshot::{self, Snapshot, SnapshotError};
use homeostasis_domain::{Capsule, HealId};
use homeostasis_protocol::Hello;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Sources beyond this many bytes in all are not looked at; those of the failing frames always are.
const MOST_SOURCE_BYTES: usize = 8 * 1024 * 1024;
/// A single larger file is generated code.
const MOST_FILE_BYTES: u64 = 1024 * 1024;

/// Where the snapshot of a heal is kept.
pub(crate) fn snapshot_folder(inner: &Inner, heal: &HealId) -> PathBuf {
    inner.store.folder().join("snapshots").join(heal.as_str())
}

/// The snapshot of a heal, taken when it is not there yet.
pub(crate) async fn snapshot(inner: &Inner, heal: &HealId) -> Result<Snapshot, SnapshotError> {
    snapshot::take(&inner.config.root, &snapshot_folder(inner, heal)).await
}

/// The program's own Python sources in `tree` (its folder, or a copy of it), by their path in the real tree; those of the capsule's frames
/// first. Files that are not UTF-8 are left out, which makes faults in them something to abstain from.
pub(crate) fn sources(root: &Path, tree: &Path, capsule: &Capsule) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let frames = capsule
        .exceptions
        .iter()
        .flat_map(|exception| &exception.frames)
        .filter(|frame| frame.in_app);
    for frame in frames {
        if let Some(text) = read(root, tree, Path::new(&frame.file)) {
            sources.insert(frame.file.clone(), text);
        }
    }
    let mut total: usize = sources.values().map(String::len).sum();
    for item in walkdir::WalkDir::new(tree)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|item| !snapshot::skipped(item))
        .flatten()
    {
        let is_python = item
            .path()
            .extension()
            .is_some_and(|extension| extension == "py");
        let small = item
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MOST_FILE_BYTES);
        let Ok(relative) = item.path().strip_prefix(tree) else {
            continue;
        };
        let real = root.join(relative).to_string_lossy().into_owned();
        if !is_python || !small || sources.contains_key(&real) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(item.path()) else {
            continue;
        };
        total += text.len();
        if total > MOST_SOURCE_BYTES {
            break;
        }
        sources.insert(real, text);
    }
    sources
}

fn read(root: &Path, tree: &Path, file: &Path) -> Option<String> {
    let relative = file.strip_prefix(root).ok()?;
    std::fs::read_to_string(tree.join(relative)).ok()
}

/// The process the capsule came from, as it introduced itself; else any process of the program.
pub(crate) fn hello(inner: &Inner, capsule: &Capsule) -> Option<Hello> {
    let hellos = inner.hellos();
    let same = hellos.get(&capsule.process.pid).cloned();
    same.or_else(|| hellos.values().next_back().cloned())
}

/// The variables the program runs with: those of the living process, else those it was started with.
pub(crate) fn variables(inner: &Inner, pid: u32) -> BTreeMap<String, String> {
    let living = std::fs::read(format!("/proc/{pid}/environ"))
        .ok()
        .filter(|bytes| !bytes.is_empty());
    let Some(bytes) = living else {
        return inner.config.variables.clone();
    };
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|pair| {
            let text = String::from_utf8_lossy(pair).into_owned();
            let (name, value) = text.split_once('=')?;
            Some((name.to_string(), value.to_string()))
        })
        .collect()
}
