//! `key`: a key that only the user holds, and a store that is encrypted with it.

use crate::cli::{KeyArgs, KeyCommand, ReadArgs};
use crate::exit::{self, Stop};
use crate::printing::{json, out, say};
use crate::{folder, key};
use anyhow::{Context, Result};
use homeostasis_store::{Key, Resealed, Store};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(crate) async fn run(arguments: KeyArgs) -> Result<ExitCode> {
    match arguments.command {
        KeyCommand::New { file } => new(&file),
        KeyCommand::Seal(read) => seal(&read).await,
        KeyCommand::Rotate { old, new, read } => rotate(&old, &new, &read).await,
    }
}

fn new(file: &Path) -> Result<ExitCode> {
    let key = Key::create(file).map_err(key::explained)?;
    out(&format!("key {} is in {}", key.name(), file.display()));
    out(
        "keep a copy of it elsewhere: what is encrypted with it cannot be read without it, by anybody",
    );
    Ok(ExitCode::SUCCESS)
}

async fn seal(arguments: &ReadArgs) -> Result<ExitCode> {
    let folder = folder::find(&arguments.store)?;
    let Some(key) = key::for_reading(&arguments.store, &folder)? else {
        return Err(Stop::new(
            exit::USAGE,
            "there is no key to encrypt the store with",
            "make one with `homeostasis key new FILE`, and name it with --key-file",
        )
        .into());
    };
    let store = Store::open_exclusive_with_key(&folder, Some(&key))
        .await
        .with_context(|| in_vain(&folder))?;
    let sealed = store.seal_all(progress()).await?;
    store.close().await;
    told(arguments, &key, sealed);
    Ok(ExitCode::SUCCESS)
}

async fn rotate(old: &Path, new: &Path, arguments: &ReadArgs) -> Result<ExitCode> {
    let folder = folder::find(&arguments.store)?;
    let (old, new) = (key::of_file(old)?, key::of_file(new)?);
    let sealed = Store::change_key(&folder, &old, &new, progress())
        .await
        .with_context(|| in_vain(&folder))?;
    told(arguments, &new, sealed);
    Ok(ExitCode::SUCCESS)
}

fn in_vain(folder: &Path) -> String {
    format!("the store in {} was not encrypted", folder.display())
}

fn told(arguments: &ReadArgs, key: &Key, sealed: u64) {
    let name = key.name();
    if arguments.json {
        json(&serde_json::json!({ "key": name, "sealed": sealed }));
    } else {
        out(&format!(
            "{sealed} values encrypted; everything is encrypted with key {name}"
        ));
    }
}

/// Says each second how far it is.
fn progress() -> impl FnMut(Resealed) {
    let mut last = Instant::now();
    move |resealed| {
        if last.elapsed() > Duration::from_secs(1) {
            last = Instant::now();
            say(&format!("{} of {} values", resealed.done, resealed.of));
        }
    }
}
