//! The key that signs the audit log, as two files in the store's folder; never sent anywhere.

use ed25519_dalek::{SigningKey, VerifyingKey};
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

const PRIVATE: &str = "audit.key";
const PUBLIC: &str = "audit.pub";

/// Why a key could not be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A file could not be read or written.
    #[error("{file} cannot be read or written")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{file} does not hold an Ed25519 key; restore it from a backup")]
    Malformed {
        /// Which.
        file: PathBuf,
    },
    /// The two halves do not belong together.
    #[error("{public} does not belong to {private}; restore the one that was changed")]
    Mismatch {
        /// The private half.
        private: PathBuf,
        /// The public half.
        public: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gave no random numbers for a new key")]
    Random(#[from] rand::rand_core::OsError),
}

/// A new key, not yet written.
pub(crate) fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = [0u8; 32];
    OsRng.try_fill_bytes(&mut seed)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes both halves, the private one last: where it is, everything else is.
pub(crate) fn write(folder: &Path, key: &SigningKey) -> Result<(), KeyError> {
    let public = folder.join(PUBLIC);
    let private = folder.join(PRIVATE);
    replace(
        &public,
        hex::encode(key.verifying_key().to_bytes()).as_bytes(),
    )
    .map_err(|source| KeyError::File {
        file: public,
        source,
    })?;
    replace(&private, hex::encode(key.to_bytes()).as_bytes()).map_err(|source| KeyError::File {
        file: private,
        source,
    })
}

/// The private key, if there is one; the public half beside it must be its own.
pub(crate) fn read(folder: &Path) -> Result<Option<SigningKey>, KeyError> {
    let private = folder.join(PRIVATE);
    let Some(seed) = read_bytes(&private)? else {
        return Ok(None);
    };
    let key = SigningKey::from_bytes(&seed);
    if read_public(folder)? != Some(key.verifying_key()) {
        return Err(KeyError::Mismatch {
            private,
            public: folder.join(PUBLIC),
        });
    }
    Ok(Some(key))
}

/// The public key of the audit log in this folder, if there is one.
pub fn read_public(folder: &Path) -> Result<Option<VerifyingKey>, KeyError> {
    let file = folder.join(PUBLIC);
    let Some(bytes) = read_bytes(&file)? else {
        return Ok(None);
    };
    match VerifyingKey::from_bytes(&bytes) {
        Ok(key) => Ok(Some(key)),
        Err(_) => Err(KeyError::Malformed { file }),
    }
}

fn read_bytes(file: &Path) -> Result<Option<[u8; 32]>, KeyError> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(KeyError::File {
                file: file.to_path_buf(),
                source,
            });
        }
    };
    let mut bytes = [0u8; 32];
    match hex::decode_to_slice(text.trim_ascii(), &mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(_) => Err(KeyError::Malformed {
            file: file.to_path_buf(),
        }),
    }
}

/// Replaces a file (0600) so that after a crash it has either the old or the new content, and the new one lasts.
pub(crate) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let part = file.with_extension("part");
    let mut handle = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    handle.write_all(content)?;
    handle.sync_all()?;
    fs::rename(&part, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
