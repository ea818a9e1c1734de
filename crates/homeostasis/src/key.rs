//! Which key a store is opened with: named on the command line, in the environment, or in the settings. There is no
//! default: a key that lay beside the store would protect nothing.

use crate::cli::StoreArgs;
use crate::exit::{self, Stop};
use crate::printing::say;
use crate::settings::{self, Keeping};
use anyhow::Result;
use homeostasis_store::{Key, KeyError};
use std::path::{Path, PathBuf};

/// Holds the key itself, as its file does; the watched program is started without it.
pub(crate) const VARIABLE: &str = "HOMEOSTASIS_KEY";

/// The key for a new run. One whose file lies in the program's folder is warned of: that folder is copied for trials.
pub(crate) fn for_run(told: Option<&Path>, settings: &Keeping, root: &Path) -> Result<Option<Key>> {
    let file = file(told, settings, root);
    let inside = file
        .as_ref()
        .and_then(|file| std::fs::canonicalize(file).ok())
        .is_some_and(|file| file.starts_with(root));
    if inside {
        say(
            "the key lies in the program's folder, beside what it protects and where trials may read it; keep it somewhere else",
        );
    }
    read(file.as_deref())
}

/// The key for looking into the store of an earlier run, whose settings lie beside it.
pub(crate) fn for_reading(arguments: &StoreArgs, folder: &Path) -> Result<Option<Key>> {
    let told = arguments.key_file.as_deref();
    if told.is_some() || from_environment().is_some() {
        return read(told);
    }
    let root = root_of(folder);
    let settings = settings::read(root)?;
    read(file(None, &settings.store, root).as_deref())
}

/// Where the settings for a store lie, unless the program's root is another folder.
pub(crate) fn root_of(folder: &Path) -> &Path {
    folder.parent().unwrap_or(folder)
}

/// Reads the key of one file, with an error that says what to do.
pub(crate) fn of_file(file: &Path) -> Result<Key> {
    Key::read(file).map_err(explained)
}

/// An error of a key with an exit code and what to do.
pub(crate) fn explained(error: KeyError) -> anyhow::Error {
    let remedy = match &error {
        KeyError::Exists { .. } => "what was encrypted with a lost key cannot be read again",
        KeyError::Write { .. } => "name a file in a folder that you can write to",
        KeyError::Read { .. } => {
            "name the key file of this store, or bring it back from where you keep it"
        }
        KeyError::Malformed { .. } => {
            "make a key with `homeostasis key new`, or bring back the right file"
        }
        KeyError::Random => "try again",
    };
    let code = match &error {
        KeyError::Exists { .. } => exit::REFUSED,
        KeyError::Malformed { .. } => exit::USAGE,
        KeyError::Write { .. } | KeyError::Read { .. } | KeyError::Random => exit::FAILED,
    };
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        message = format!("{message}: {source}");
    }
    Stop::new(code, message, remedy).into()
}

/// The file with the key, where a file is what says it.
fn file(told: Option<&Path>, settings: &Keeping, root: &Path) -> Option<PathBuf> {
    match (told, from_environment()) {
        (Some(told), _) => Some(told.to_path_buf()),
        (None, Some(_)) => None,
        (None, None) => settings.key_file.as_ref().map(|file| root.join(file)),
    }
}

fn read(file: Option<&Path>) -> Result<Option<Key>> {
    match (file, from_environment()) {
        (Some(file), _) => of_file(file).map(Some),
        (None, Some(text)) => Key::from_text(&text, VARIABLE).map(Some).map_err(explained),
        (None, None) => Ok(None),
    }
}

fn from_environment() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())
}
