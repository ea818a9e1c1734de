//! What is to run and within which limits: a plain value that travels to the helper process.

use crate::encoded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Folder inside the sandbox where `inputs` are; read-only.
pub const INPUTS: &str = "/homeostasis/in";
/// Folder inside the sandbox from which `Report::outputs` are collected.
pub const OUTPUTS: &str = "/homeostasis/out";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Program and arguments; the program is looked up in the `PATH` of `environment`, inside.
    pub command: Vec<String>,
    /// Working directory, as seen inside.
    pub cwd: PathBuf,
    /// The whole environment: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// The real folder that is shown at `mount_at`, copy on write.
    pub tree: PathBuf,
    /// Where `tree` is seen inside.
    pub mount_at: PathBuf,
    /// Further paths of the host, seen read-only at the same place. One that lies inside `mount_at` is shown only when
    /// `tree` has nothing at that place, so that it can never hide the tree's own files. The root, the home folder
    /// and what is above it are never shown.
    pub readable: Vec<PathBuf>,
    /// Files of the tree, absolute as seen inside, that have another content: the candidate.
    #[serde(with = "encoded::paths")]
    pub overrides: Vec<(PathBuf, Vec<u8>)>,
    /// Files by name, found inside in the folder [`INPUTS`].
    #[serde(with = "encoded::names")]
    pub inputs: Vec<(String, Vec<u8>)>,
    /// What it may use.
    pub limits: Limits,
}

/// What one run may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall time.
    pub wall: Duration,
    /// Processor time of all processes together.
    pub cpu: Duration,
    /// Memory of all processes together, in bytes; shared pages count once.
    pub memory_bytes: u64,
    /// Processes alive at the same time.
    pub processes: u32,
    /// Bytes written to any file, anywhere.
    pub disk_bytes: u64,
    /// Bytes kept of standard output, and as many of standard error; the middle is left out.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// Enough for a test suite of ordinary size.
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(120),
            cpu: Duration::from_secs(240),
            memory_bytes: 2 << 30,
            processes: 256,
            disk_bytes: 512 << 20,
            output_bytes: 256 << 10,
        }
    }
}

impl Spec {
    /// Refuses what cannot be meant, before anything is set up.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.command.is_empty() {
            return Err("there is no command".to_string());
        }
        for (what, path) in [
            ("tree", &self.tree),
            ("mount_at", &self.mount_at),
            ("cwd", &self.cwd),
        ] {
            if !is_plain_absolute(path) {
                return Err(format!(
                    "{what} must be an absolute path without `..`: {}",
                    path.display()
                ));
            }
        }
        let taken = [
            "/", "/proc", "/dev", "/sys", "/usr", "/etc", "/tmp", "/bin", "/lib",
        ];
        if taken.iter().any(|path| self.mount_at == Path::new(path)) {
            return Err(format!(
                "a tree cannot be shown at {}",
                self.mount_at.display()
            ));
        }
        if !self.tree.is_dir() {
            return Err(format!("the tree {} is not a folder", self.tree.display()));
        }
        for (path, _) in &self.overrides {
            if !is_plain_absolute(path) || !path.starts_with(&self.mount_at) {
                return Err(format!("{} is not inside the tree", path.display()));
            }
        }
        for (name, _) in &self.inputs {
            if name.is_empty() || name.contains('/') || name == "." || name == ".." {
                return Err(format!("{name:?} is not the name of an input"));
            }
        }
        let with_nul = |text: &String| text.contains('\0');
        let mut texts = self
            .command
            .iter()
            .chain(self.environment.keys())
            .chain(self.environment.values());
        if texts.any(with_nul) {
            return Err("a text of the command or the environment holds a NUL".to_string());
        }
        Ok(())
    }

    /// The home folder that the environment names, when it is one that can be replaced by an empty one.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let home = PathBuf::from(self.environment.get("HOME")?);
        (is_plain_absolute(&home) && home.parent().is_some()).then_some(home)
    }
}

/// Absolute, and says what it means without looking at the disk.
fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.as_os_str().as_encoded_bytes().contains(&0)
}
