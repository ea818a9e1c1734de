//! Whether this machine can run a sandbox at all, found out by running one; for `homeostasis doctor`.

use crate::error::SandboxError;
use crate::helper::find_bubblewrap;
use crate::report::{Exit, Support};
use crate::run::run;
use crate::spec::{Limits, Spec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Facilities {
    /// Where bubblewrap is.
    pub bubblewrap: PathBuf,
    /// Which optional means work; without them the sandbox is slower or watched instead of bounded, never weaker in
    /// what it keeps out.
    pub support: Support,
    /// How long an empty sandbox takes from start to report.
    pub milliseconds: f64,
    /// What could be better here, in sentences.
    pub remarks: Vec<String>,
}

/// Runs `true` in a sandbox and tells what this machine allows.
pub async fn check(launcher: &Path) -> Result<Facilities, SandboxError> {
    let bubblewrap = find_bubblewrap().ok_or(SandboxError::BubblewrapMissing)?;
    let tree = tempfile::tempdir().map_err(SandboxError::setup("making a temporary folder"))?;
    let spec = Spec {
        command: vec!["true".to_string()],
        cwd: PathBuf::from("/"),
        environment: BTreeMap::from([("PATH".to_string(), "/usr/bin:/bin".to_string())]),
        tree: tree.path().to_path_buf(),
        mount_at: PathBuf::from("/homeostasis/tree"),
        readable: Vec::new(),
        overrides: Vec::new(),
        inputs: Vec::new(),
        limits: Limits {
            wall: Duration::from_secs(20),
            ..Limits::default()
        },
    };
    let begun = std::time::Instant::now();
    let report = run(launcher, &spec).await?;
    if report.exit != Exit::Code(0) {
        return Err(SandboxError::Setup {
            step: "running `true`".to_string(),
            reason: format!(
                "{}: {}",
                report.exit,
                String::from_utf8_lossy(&report.stderr).trim()
            ),
        });
    }
    let mut remarks = Vec::new();
    if !report.support.overlay {
        remarks.push("overlays are not permitted here: each trial copies the tree".to_string());
    }
    if !report.support.memory_group {
        remarks.push(
            "control groups are not writable here: memory is watched every 20 ms instead of bounded by the kernel"
                .to_string(),
        );
    }
    Ok(Facilities {
        bubblewrap,
        support: report.support,
        milliseconds: begun.elapsed().as_secs_f64() * 1e3,
        remarks,
    })
}
