//! The key that a user holds: made, read from a file or from text, and named; it is never written into the store.

use chacha20poly1305::Key as Bytes;
use chacha20poly1305::aead::Generate;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// What the text of a key begins with, so that other hexadecimal text is not taken for one.
const BEGINNING: &str = "homeostasis-key-1:";

/// A key that values are sealed with.
#[derive(Clone)]
pub struct Key {
    bytes: Zeroizing<[u8; 32]>,
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is a file already, and it may be somebody's only key.
    #[error("{file} is there already and is not overwritten; name another file")]
    Exists {
        /// Which.
        file: PathBuf,
    },
    /// The file could not be written.
    #[error("the key cannot be written to {file}")]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file could not be read.
    #[error("the key file {file} cannot be read")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else is there.
    #[error("{place} does not hold a key as `homeostasis key new` makes it")]
    Malformed {
        /// Where it was looked for.
        place: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no random numbers for a new key")]
    Random,
}

impl Key {
    /// Makes a key and writes it to a new file that only this user can read.
    pub fn create(file: &Path) -> Result<Key, KeyError> {
        let key = Key {
            bytes: Zeroizing::new(Bytes::try_generate().map_err(|_| KeyError::Random)?.into()),
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                file: file.to_path_buf(),
            },
            _ => KeyError::Write {
                file: file.to_path_buf(),
                source,
            },
        };
        let mut written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .map_err(failed)?;
        let text = Zeroizing::new(format!("{}\n", *key.text()));
        written
            .write_all(text.as_bytes())
            .and_then(|()| written.sync_all())
            .map_err(failed)?;
        // What is sealed with a key whose file a power loss takes away is gone.
        if let Some(folder) = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Ok(key)
    }

    /// Reads a key from its file.
    pub fn read(file: &Path) -> Result<Key, KeyError> {
        let text = fs::read(file).map_err(|source| KeyError::Read {
            file: file.to_path_buf(),
            source,
        })?;
        let text = Zeroizing::new(text);
        std::str::from_utf8(&text)
            .ok()
            .and_then(parse)
            .ok_or_else(|| KeyError::Malformed {
                place: file.display().to_string(),
            })
    }

    /// Reads a key from text, as its file holds it; `place` says where the text is from.
    pub fn from_text(text: &str, place: &str) -> Result<Key, KeyError> {
        parse(text).ok_or_else(|| KeyError::Malformed {
            place: place.to_string(),
        })
    }

    /// A short name by which people tell keys apart; it says nothing of the key itself.
    pub fn name(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"name of a homeostasis key\0")
            .chain_update(*self.bytes);
        hex::encode(&digest.finalize()[..4])
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        (&*self.bytes).into()
    }

    fn text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(*self.bytes));
        Zeroizing::new(format!("{BEGINNING}{}", *digits))
    }
}

fn parse(text: &str) -> Option<Key> {
    let digits = text.trim().strip_prefix(BEGINNING)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    hex::decode_to_slice(digits, bytes.as_mut()).ok()?;
    Some(Key { bytes })
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name())
    }
}
