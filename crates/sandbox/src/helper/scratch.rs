//! The one size-limited tmpfs in which everything lives that a sandbox may write; it vanishes with the last process.

use crate::error::SandboxError;
use crate::spec::Spec;
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Room for the specification's own files beside what the run may write.
const SLACK: u64 = 4 << 20;

/// The mounted tmpfs.
#[derive(Debug)]
pub(super) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// Mounts it over a folder that this run does not need, visible to this process alone.
    pub(super) fn mount(spec: &Spec) -> Result<Self, SandboxError> {
        let root = mount_point(spec)?;
        let own: usize = spec
            .overrides
            .iter()
            .map(|(_, bytes)| bytes.len())
            .chain(spec.inputs.iter().map(|(_, bytes)| bytes.len()))
            .sum();
        let size = spec.limits.disk_bytes + own as u64 + SLACK;
        let inodes = (size / 4096).max(16_384);
        let options = CString::new(format!("size={size},nr_inodes={inodes},mode=0755"))
            .map_err(SandboxError::setup("mount options"))?;
        mount(
            "homeostasis",
            &root,
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            options.as_c_str(),
        )
        .map_err(|error| SandboxError::NamespacesForbidden {
            reason: format!("mounting a tmpfs: {error}"),
        })?;
        let scratch = Self { root };
        for name in [
            "upper", "work", "merged", "tmp", "vartmp", "run", "shm", "home", "in", "out", "empty",
        ] {
            let path = scratch.path(name);
            std::fs::create_dir(&path)
                .map_err(SandboxError::setup(format!("making {}", path.display())))?;
        }
        for name in ["tmp", "vartmp", "shm"] {
            std::fs::set_permissions(scratch.path(name), std::fs::Permissions::from_mode(0o1777))
                .map_err(SandboxError::setup("opening the temporary folders"))?;
        }
        Ok(scratch)
    }

    /// A folder of the tmpfs.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where the command leaves its outputs.
    pub(super) fn outputs(&self) -> PathBuf {
        self.path("out")
    }

    /// Puts the inputs into their folder.
    pub(super) fn write_inputs(&self, inputs: &[(String, Vec<u8>)]) -> Result<(), SandboxError> {
        for (name, bytes) in inputs {
            std::fs::write(self.path("in").join(name), bytes)
                .map_err(SandboxError::setup(format!("writing the input {name}")))?;
        }
        Ok(())
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        rustix::fs::statvfs(&self.root).map_or(0, |stat| {
            (stat.f_blocks - stat.f_bfree.min(stat.f_blocks)) * stat.f_frsize
        })
    }
}

/// A folder of the host that exists and that nothing of this run lies in, so that covering it hides nothing needed.
fn mount_point(spec: &Spec) -> Result<PathBuf, SandboxError> {
    let needed: Vec<PathBuf> = std::iter::once(&spec.tree)
        .chain(&spec.readable)
        .flat_map(|path| [Some(path.clone()), path.canonicalize().ok()])
        .flatten()
        .collect();
    ["/mnt", "/media", "/srv", "/opt", "/boot", "/sys"]
        .into_iter()
        .map(Path::new)
        .find(|point| {
            let real = point.symlink_metadata().is_ok_and(|meta| meta.is_dir());
            real && !needed.iter().any(|path| path.starts_with(point))
        })
        .map(Path::to_path_buf)
        .ok_or_else(|| SandboxError::Setup {
            step: "looking for a mount point".to_string(),
            reason: "none of /mnt, /media, /srv, /opt, /boot and /sys is free".to_string(),
        })
}
