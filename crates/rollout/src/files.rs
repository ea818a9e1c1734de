//! Replacing a source file: atomically, keeping owner and mode, and only when it is what we think it is.

use homeostasis_domain::id::content_hash;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file was not replaced. Nothing was changed then.
#[derive(Debug, Error)]
pub enum ReplaceError {
    /// Somebody else changed it.
    #[error(
        "{path} was changed by somebody else (its content hash is {found}, expected {expected})"
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// Content hash found.
        found: String,
        /// Content hash expected.
        expected: String,
    },
    /// The system refused.
    #[error("cannot replace {path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Content hash of a file.
pub fn hash_of(path: &Path) -> Result<String, ReplaceError> {
    let bytes = fs::read(path).map_err(|source| ReplaceError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(content_hash(&bytes))
}

/// Makes `path` hold `new`, provided that it holds bytes with the hash `expected` or holds `new` already.
/// A symbolic link stays one: what it points to is replaced. Durable when it returns; a crash leaves the old or the new
/// file, whole. The modification time is later than before even within one clock tick, so that caches of compiled
/// code are not taken for current.
pub fn replace(path: &Path, expected: &str, new: &[u8]) -> Result<(), ReplaceError> {
    let io = |source| ReplaceError::Io {
        path: path.to_path_buf(),
        source,
    };
    let target = fs::canonicalize(path).map_err(io)?;
    let found = hash_of(&target)?;
    if found == content_hash(new) {
        return Ok(());
    }
    if found != expected {
        return Err(ReplaceError::Changed {
            path: path.to_path_buf(),
            found,
            expected: expected.to_string(),
        });
    }
    let before = fs::metadata(&target).map_err(io)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.homeostasis-{}", std::process::id()));
    let written =
        write_beside(&temporary, new, &before).and_then(|()| fs::rename(&temporary, &target));
    if let Err(source) = written {
        // The temporary file is ours; failing to remove it must not hide why the replacement failed.
        drop(fs::remove_file(&temporary));
        return Err(io(source));
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io)
}

/// Whether [`replace`] could do its work: the folder takes new files.
pub fn can_replace(path: &Path) -> Result<(), ReplaceError> {
    let io = |source| ReplaceError::Io {
        path: path.to_path_buf(),
        source,
    };
    let target = fs::canonicalize(path).map_err(io)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let probe = folder.join(format!(".homeostasis-probe-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)
        .map_err(io)?;
    fs::remove_file(&probe).map_err(io)
}

fn write_beside(temporary: &Path, new: &[u8], before: &fs::Metadata) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(new)?;
    file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
    let ours = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if (before.uid(), before.gid()) != ours {
        std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
    }
    let now = std::time::SystemTime::now();
    let floor = before.modified()? + std::time::Duration::from_secs(1);
    // Compiled-code caches compare whole seconds and sizes.
    file.set_modified(now.max(floor))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_kept_and_a_later_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(&path).unwrap();
        replace(&path, &content_hash(b"old"), b"new").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(after.mode(), before.mode());
        assert!(after.mtime() > before.mtime());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_somebody_changed_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "theirs").unwrap();
        let refused = replace(&path, &content_hash(b"old"), b"new").unwrap_err();
        assert!(matches!(refused, ReplaceError::Changed { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
    }

    #[test]
    fn replacing_twice_is_replacing_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "old").unwrap();
        for _ in 0..2 {
            replace(&path, &content_hash(b"old"), b"new").unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.py"), folder.path().join("link.py"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, &content_hash(b"old"), b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }
}
