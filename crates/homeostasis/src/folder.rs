//! The folder `.homeostasis`: where it is, and the small files in it beside the store.

use crate::cli::StoreArgs;
use crate::exit::{self, Stop};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How to reach the server that runs on a store.
#[derive(Serialize, Deserialize)]
pub(crate) struct Server {
    /// Base address of the API.
    pub(crate) url: String,
    /// Bearer token.
    pub(crate) token: String,
    /// Process id of the server.
    pub(crate) pid: u32,
}

/// The store for a new run: as told, else `.homeostasis` in `cwd`.
pub(crate) fn for_run(arguments: &StoreArgs, cwd: &Path) -> PathBuf {
    let folder = arguments
        .store
        .clone()
        .unwrap_or_else(|| PathBuf::from(".homeostasis"));
    if folder.is_absolute() {
        folder
    } else {
        cwd.join(folder)
    }
}

/// The store of an earlier run: as told, else the nearest `.homeostasis` here or above.
pub(crate) fn find(arguments: &StoreArgs) -> Result<PathBuf> {
    let cwd = std::env::current_dir().context("cannot tell the current folder")?;
    if let Some(told) = &arguments.store {
        let folder = if told.is_absolute() {
            told.clone()
        } else {
            cwd.join(told)
        };
        if folder.is_dir() {
            return Ok(folder);
        }
        return Err(Stop::new(
            exit::NOT_FOUND,
            format!("there is no store in {}", folder.display()),
            "name the folder that `homeostasis run` used",
        )
        .into());
    }
    let found = cwd
        .ancestors()
        .map(|folder| folder.join(".homeostasis"))
        .find(|folder| folder.is_dir());
    found.ok_or_else(|| {
        let message = format!(
            "there is no .homeostasis folder in {} or above",
            cwd.display()
        );
        Stop::new(
            exit::NOT_FOUND,
            message,
            "start a program with `homeostasis run -- <command>`, or name its store with --store",
        )
        .into()
    })
}

/// Writes how to reach the server, readable by this user only.
pub(crate) fn announce(folder: &Path, server: &Server) -> Result<()> {
    let path = folder.join("server.json");
    let temporary = folder.join(format!("server.json.{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&serde_json::to_vec(server)?)?;
    fs::rename(&temporary, &path).with_context(|| format!("cannot write {}", path.display()))
}

/// How to reach the server on this store, if one lives.
pub(crate) fn server(folder: &Path) -> Option<Server> {
    let text = fs::read(folder.join("server.json")).ok()?;
    let server: Server = serde_json::from_slice(&text).ok()?;
    Path::new(&format!("/proc/{}", server.pid))
        .exists()
        .then_some(server)
}

/// Forgets how to reach the server.
pub(crate) fn withdraw(folder: &Path) {
    // The file is only a hint; a stale one is recognised by its pid.
    drop(fs::remove_file(folder.join("server.json")));
}

/// Socket of the agents: the same path for the same store, so that agents find a restarted server; short enough for a
/// Unix socket wherever the store is.
pub(crate) fn socket(store: &Path) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir() && folder.as_os_str().len() < 60);
    let uid = rustix::process::getuid().as_raw();
    let parent = runtime
        .map(|folder| folder.join("homeostasis"))
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/homeostasis-{uid}")));
    let name = hex::encode(Sha256::digest(store.as_os_str().as_encoded_bytes()));
    parent.join(format!("{}.sock", &name[..16]))
}
