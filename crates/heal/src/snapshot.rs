//! A snapshot of the program's tree: what trials run on, unmoved by what happens to the real tree meanwhile.
//!
//! Left out: version control, caches, installed packages and virtual environments (they are made readable at their own
//! place), our own folder, sockets and devices. SQLite databases are copied consistently, also while in use.

use crate::handle::lock;
use homeostasis_domain::id::digest;
use homeostasis_store::backup_sqlite;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use thiserror::Error;

/// A larger tree is not copied: the watched machine is somebody's production machine.
const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const MOST_FILES: usize = 100_000;
const SKIPPED: [&str; 16] = [
    ".git",
    ".hg",
    ".svn",
    ".homeostasis",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".idea",
    "htmlcov",
];
/// Extensions of files that decide how the program and its tests behave, as opposed to data that changes all the time.
const CODE: [&str; 14] = [
    "py", "pyi", "toml", "cfg", "ini", "txt", "json", "yaml", "yml", "html", "jinja", "j2", "sql",
    "env",
];

/// A copy of the program's tree.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Where the copy is.
    pub(crate) tree: PathBuf,
    /// Digest over code and settings, not over data.
    pub(crate) code: String,
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub(crate) enum SnapshotError {
    #[error(
        "the program's folder {0} is too large to be copied for trials (more than {MOST_FILES} files or 2 GiB); name a smaller one with --root"
    )]
    TooLarge(PathBuf),
    #[error("cannot copy {path} for trials")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Copies `root` to `folder/tree`. A finished copy is used again; an unfinished one, of a crash, is made anew.
pub(crate) async fn take(root: &Path, folder: &Path) -> Result<Snapshot, SnapshotError> {
    let (tree, done) = (folder.join("tree"), folder.join("code"));
    if let Ok(code) = fs::read_to_string(&done) {
        return Ok(Snapshot { tree, code });
    }
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SnapshotError::Io { path, source }
    };
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(io(folder))?;
    }
    fs::create_dir_all(&tree).map_err(io(&tree))?;
    let (from, to) = (root.to_path_buf(), tree.clone());
    let copied = tokio::task::spawn_blocking(move || copy(&from, &to))
        .await
        .map_err(|join| SnapshotError::Io {
            path: root.to_path_buf(),
            source: io::Error::other(join),
        })??;
    for database in copied.databases {
        let (from, to) = (root.join(&database), tree.join(&database));
        if let Err(error) = backup_sqlite(&from, &to).await {
            tracing::debug!(database = %from.display(), %error, "copying the database as a plain file");
            fs::copy(&from, &to).map_err(io(&from))?;
        }
    }
    fs::write(&done, &copied.code).map_err(io(&done))?;
    Ok(Snapshot {
        tree,
        code: copied.code,
    })
}

/// Keeps a snapshot from being removed while something still runs on it.
pub(crate) struct Hold(PathBuf);

/// Folders that something runs on, with how many do.
static HELD: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// Holds a snapshot's folder until the value is dropped.
pub(crate) fn hold(folder: &Path) -> Hold {
    *lock(&HELD).entry(folder.to_path_buf()).or_default() += 1;
    Hold(folder.to_path_buf())
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&HELD);
        if let Some(count) = held.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.0);
            }
        }
    }
}

/// Removes a snapshot that is no longer needed. One that is held stays, and is swept up later.
pub(crate) fn remove(folder: &Path) {
    let held = lock(&HELD);
    if held.contains_key(folder) {
        return;
    }
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot remove a snapshot")
        }
    }
}

struct Copied {
    databases: Vec<PathBuf>,
    code: String,
}

fn copy(root: &Path, tree: &Path) -> Result<Copied, SnapshotError> {
    let (mut bytes, mut files) = (0_u64, 0_usize);
    let mut databases = Vec::new();
    let mut hashes = BTreeMap::new();
    let walk = walkdir::WalkDir::new(root)
        .min_depth(1)
        .follow_links(false)
        .into_iter();
    // The snapshot may lie inside the tree: whatever folder leads to it is ours.
    for item in walk.filter_entry(|item| !skipped(item) && !tree.starts_with(item.path())) {
        let item = match item {
            Ok(item) => item,
            // Files come and go in a running program's folder.
            Err(error)
                if error
                    .io_error()
                    .is_some_and(|io| io.kind() == io::ErrorKind::NotFound) =>
            {
                continue;
            }
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                return Err(SnapshotError::Io {
                    path,
                    source: error.into(),
                });
            }
        };
        let Ok(relative) = item.path().strip_prefix(root) else {
            continue;
        };
        let to = tree.join(relative);
        let io = |source| SnapshotError::Io {
            path: item.path().to_path_buf(),
            source,
        };
        let kind = item.file_type();
        if kind.is_dir() {
            fs::create_dir_all(&to).map_err(io)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(item.path()).map_err(io)?;
            std::os::unix::fs::symlink(target, &to).map_err(io)?;
        } else if kind.is_file() {
            let Ok(metadata) = item.metadata() else {
                continue;
            };
            bytes += metadata.len();
            files += 1;
            if bytes > MOST_BYTES || files > MOST_FILES {
                return Err(SnapshotError::TooLarge(root.to_path_buf()));
            }
            if is_side_file(item.path()) {
                continue;
            }
            if is_database(item.path()) {
                databases.push(relative.to_path_buf());
                continue;
            }
            match fs::copy(item.path(), &to) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io(error)),
            }
            if is_code(relative) {
                hashes.insert(relative.to_path_buf(), hash(&to).map_err(io)?);
            }
        }
    }
    let code = digest(
        hashes
            .iter()
            .flat_map(|(path, hash)| [path.to_string_lossy().into_owned(), hash.clone()]),
    );
    Ok(Copied { databases, code })
}

/// Folders that hold nothing of the program's own.
pub(crate) fn skipped(item: &walkdir::DirEntry) -> bool {
    if !item.file_type().is_dir() {
        return false;
    }
    let name = item.file_name().to_string_lossy();
    SKIPPED.contains(&name.as_ref()) || item.path().join("pyvenv.cfg").exists()
}

/// Write-ahead and shared-memory files belong to the database beside them, whose copy holds what they hold.
fn is_side_file(path: &Path) -> bool {
    let text = path.to_string_lossy();
    ["-wal", "-shm", "-journal"].iter().any(|end| {
        text.strip_suffix(end)
            .is_some_and(|database| is_database(Path::new(database)))
    })
}

fn is_database(path: &Path) -> bool {
    let mut head = [0_u8; 16];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| &head == b"SQLite format 3\0")
}

fn is_code(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| CODE.iter().any(|code| extension == *code))
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_snapshot_holds_the_sources_and_leaves_out_environments_and_ourselves() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["app", "env", ".git", ".homeostasis"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("a.py"), "x = 1\n").unwrap();
        }
        fs::write(root.path().join("env/pyvenv.cfg"), "").unwrap();
        let to = tempfile::tempdir().unwrap();
        let snapshot = take(root.path(), &to.path().join("s")).await.unwrap();
        let mut names: Vec<_> = fs::read_dir(&snapshot.tree)
            .unwrap()
            .map(|item| item.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["app"]);
    }

    #[tokio::test]
    async fn the_code_digest_follows_sources_and_not_data() {
        let root = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        let code = async |name: &str| take(root.path(), &to.path().join(name)).await.unwrap().code;
        fs::write(root.path().join("a.py"), "x = 1\n").unwrap();
        let first = code("1").await;
        fs::write(root.path().join("access.log"), "line").unwrap();
        assert_eq!(code("2").await, first);
        fs::write(root.path().join("a.py"), "x = 2\n").unwrap();
        assert_ne!(code("3").await, first);
    }

    #[tokio::test]
    async fn an_unfinished_copy_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.py"), "x = 1\n").unwrap();
        let to = tempfile::tempdir().unwrap();
        let folder = to.path().join("s");
        fs::create_dir_all(folder.join("tree")).unwrap();
        fs::write(folder.join("tree/left.py"), "half").unwrap();
        let snapshot = take(root.path(), &folder).await.unwrap();
        assert!(!snapshot.tree.join("left.py").exists());
    }
}
