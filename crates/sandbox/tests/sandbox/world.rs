//! A small tree and the specification to run something in it; no assertions live here.

use homeostasis_sandbox::{Limits, Report, Spec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn launcher() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sandbox-helper"))
}

/// A project folder of its own, and where it is to be seen.
pub(crate) struct World {
    pub(crate) tree: tempfile::TempDir,
    pub(crate) spec: Spec,
}

impl World {
    pub(crate) fn new(command: &[&str]) -> Self {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("module.py"), "VALUE = 1\n").unwrap();
        std::fs::create_dir(tree.path().join("package")).unwrap();
        std::fs::write(tree.path().join("package/data.txt"), "as it was\n").unwrap();
        let spec = Spec {
            command: command.iter().map(|word| word.to_string()).collect(),
            cwd: PathBuf::from("/srv/project"),
            environment: BTreeMap::from([
                ("PATH".to_string(), "/usr/bin:/bin".to_string()),
                ("HOME".to_string(), "/root".to_string()),
            ]),
            tree: tree.path().to_path_buf(),
            mount_at: PathBuf::from("/srv/project"),
            readable: Vec::new(),
            overrides: Vec::new(),
            inputs: Vec::new(),
            limits: Limits {
                wall: Duration::from_secs(20),
                cpu: Duration::from_secs(20),
                memory_bytes: 256 << 20,
                processes: 32,
                disk_bytes: 16 << 20,
                output_bytes: 64 << 10,
            },
        };
        Self { tree, spec }
    }

    pub(crate) fn python(code: &str) -> Self {
        Self::new(&["/usr/bin/python3", "-I", "-c", code])
    }

    pub(crate) fn shell(code: &str) -> Self {
        Self::new(&["/bin/sh", "-c", code])
    }

    pub(crate) async fn run(&self) -> Report {
        homeostasis_sandbox::run(launcher(), &self.spec)
            .await
            .unwrap()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Command lines of all processes of this machine that hold the mark.
pub(crate) fn alive(mark: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| text(&line).replace('\0', " "))
        .filter(|line| line.contains(mark))
        .collect()
}

/// Waits until the condition holds; the test fails when it never does.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
