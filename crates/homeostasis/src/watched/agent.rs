//! The agents that the binary carries, laid down where the program's interpreter can read them.

use anyhow::{Context, Result};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(RustEmbed)]
#[folder = "../../agents/python"]
#[include = "sitecustomize.py"]
#[include = "homeostasis/*.py"]
#[include = "homeostasis_agent/*.py"]
#[include = "homeostasis_agent/**/*.py"]
struct PythonAgent;

/// Writes the Python agent under the store, in a folder named after its content: programs that still run with an older
/// agent keep theirs. Returns the folder that goes into the module search path.
pub(crate) fn unpack(store: &Path) -> Result<PathBuf> {
    let mut hasher = Sha256::new();
    let mut names: Vec<_> = PythonAgent::iter().collect();
    names.sort();
    for name in &names {
        let file = PythonAgent::get(name).context("the binary lacks a file of its agent")?;
        hasher.update(name.as_bytes());
        hasher.update(&file.data);
    }
    let content = hex::encode(hasher.finalize());
    let folder = store
        .join("agents")
        .join(format!("python-{}", &content[..12]));
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    for name in names {
        let file = PythonAgent::get(&name).context("the binary lacks a file of its agent")?;
        let path = folder.join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, &file.data)
            .with_context(|| format!("cannot write the agent to {}", path.display()))?;
    }
    fs::write(folder.join("complete"), "")?;
    Ok(folder)
}
