//! Shows the real tree copy on write, and puts the candidate's files into the view; the real tree is only ever read.

use super::scratch::Scratch;
use crate::error::SandboxError;
use crate::spec::Spec;
use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2, unlinkat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Makes the view in the scratch's folder `merged`. True when it is an overlay, false when it had to be a copy.
pub(super) fn show(spec: &Spec, scratch: &Scratch) -> Result<bool, SandboxError> {
    if overlay(&spec.tree, scratch) {
        return Ok(true);
    }
    copy(&spec.tree, &scratch.path("merged"), spec.limits.disk_bytes)?;
    Ok(false)
}

/// `userxattr`, because only the host's root may set the trusted attributes that overlays use otherwise.
fn overlay(tree: &Path, scratch: &Scratch) -> bool {
    let Ok(lower) = File::open(tree) else {
        return false;
    };
    // By descriptor, so that no character of the path has a meaning in the mount options.
    let options = format!(
        "userxattr,lowerdir=/proc/self/fd/{},upperdir={},workdir={}",
        lower.as_raw_fd(),
        scratch.path("upper").display(),
        scratch.path("work").display()
    );
    let Ok(options) = CString::new(options) else {
        return false;
    };
    if let Ok(meta) = lower.metadata() {
        // The root of the view takes its mode from the upper folder.
        let _ = std::fs::set_permissions(scratch.path("upper"), meta.permissions());
    }
    mount(
        "homeostasis",
        scratch.path("merged"),
        "overlay",
        MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
    .is_ok()
}

/// Copies files, folders and symbolic links; sockets, pipes and devices have no place in a trial. What we may not
/// read, the program could not read either.
fn copy(tree: &Path, to: &Path, limit: u64) -> Result<(), SandboxError> {
    let too_large = SandboxError::TreeTooLarge { limit };
    let mut total = 0;
    for entry in WalkDir::new(tree).min_depth(1).into_iter().flatten() {
        let Ok(relative) = entry.path().strip_prefix(tree) else {
            continue;
        };
        let target = to.join(relative);
        let kind = entry.file_type();
        let done = if kind.is_dir() {
            std::fs::create_dir(&target)
        } else if kind.is_symlink() {
            std::fs::read_link(entry.path())
                .and_then(|link| std::os::unix::fs::symlink(link, &target))
        } else if kind.is_file() {
            total += entry.metadata().map_or(0, |meta| meta.len());
            if total > limit {
                return Err(too_large);
            }
            match std::fs::copy(entry.path(), &target) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
                other => other.map(|_| ()),
            }
        } else {
            Ok(())
        };
        match done {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Err(too_large),
            other => other.map_err(SandboxError::setup(format!(
                "copying {}",
                entry.path().display()
            )))?,
        }
    }
    Ok(())
}

/// Writes the overrides into the view, never through a symbolic link that leaves it.
pub(super) fn write_overrides(spec: &Spec, scratch: &Scratch) -> Result<(), SandboxError> {
    let merged = scratch.path("merged");
    let root: OwnedFd = File::open(&merged)
        .map_err(SandboxError::setup("opening the view"))?
        .into();
    for (path, bytes) in &spec.overrides {
        let relative = path
            .strip_prefix(&spec.mount_at)
            .map_err(|_| SandboxError::Refused {
                reason: format!("{} is not inside the tree", path.display()),
            })?;
        write_inside(&root, relative, bytes).map_err(SandboxError::setup(format!(
            "writing the candidate's {}",
            path.display()
        )))?;
    }
    Ok(())
}

fn write_inside(root: &OwnedFd, relative: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = match open_inside(root, relative) {
        Err(Errno::NOENT) => {
            make_parents(root, relative)?;
            open_inside(root, relative)?
        }
        Err(Errno::ACCESS | Errno::PERM) => {
            // A read-only file of another group: the view may still replace it.
            unlinkat(root, relative, rustix::fs::AtFlags::empty())?;
            open_inside(root, relative)?
        }
        other => other?,
    };
    file.write_all(bytes)
}

fn open_inside(root: &OwnedFd, relative: &Path) -> Result<File, Errno> {
    openat2(
        root,
        relative,
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o644),
        ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
    )
    .map(File::from)
}

fn make_parents(root: &OwnedFd, relative: &Path) -> std::io::Result<()> {
    let Some(parent) = relative.parent() else {
        return Ok(());
    };
    let mut so_far = PathBuf::new();
    let mut folder = root.try_clone()?;
    for part in parent.components() {
        match mkdirat(
            &folder,
            Path::new(part.as_os_str()),
            Mode::from_raw_mode(0o755),
        ) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        so_far.push(part);
        folder = openat2(
            root,
            &so_far,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_files_folders_links_and_modes_and_nothing_else() {
        use std::os::unix::fs::PermissionsExt as _;
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join("package")).unwrap();
        let script = from.path().join("package/run.sh");
        std::fs::write(&script, "echo\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("package/run.sh", from.path().join("link")).unwrap();
        let _socket =
            std::os::unix::net::UnixListener::bind(from.path().join("agent.sock")).unwrap();
        copy(from.path(), to.path(), 1000).unwrap();
        let mode = to
            .path()
            .join("package/run.sh")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o750);
        let link = std::fs::read_link(to.path().join("link")).unwrap();
        assert_eq!(link, Path::new("package/run.sh"));
        assert!(!to.path().join("agent.sock").exists());
    }

    #[test]
    fn a_tree_that_does_not_fit_is_refused() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("big"), vec![0; 2000]).unwrap();
        let error = copy(from.path(), to.path(), 1000).unwrap_err();
        assert_eq!(error, SandboxError::TreeTooLarge { limit: 1000 });
    }
}
