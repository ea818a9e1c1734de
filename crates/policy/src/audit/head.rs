//! The signed record of where the chain ends, kept apart from the chain.

use crate::audit::entry::{AuditEntry, GENESIS, is_signature_of, sign_text};
use crate::audit::keys::replace;
use ed25519_dalek::{SigningKey, VerifyingKey};
use homeostasis_domain::id::digest;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "audit.head";
const HEAD_FORMAT: &str = "homeostasis audit head 1";

/// Where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last entry, 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: String,
    /// Signature of both, in hexadecimal.
    pub signature: String,
}

impl Head {
    /// The head of a chain that ends with this entry, or of an empty one.
    pub fn of(last: Option<&AuditEntry>, key: &SigningKey) -> Head {
        let (number, hash) = last.map_or((0, GENESIS), |entry| (entry.number, entry.hash.as_str()));
        Head {
            number,
            hash: hash.to_string(),
            signature: sign_text(&signed_text(number, hash), key),
        }
    }

    /// Whether the signature is that of the key.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        is_signature_of(&signed_text(self.number, &self.hash), &self.signature, key)
    }

    /// The head in a store's folder; `None` when there is none, or when what is there is not one.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Head>> {
        match fs::read(folder.join(FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        replace(&folder.join(FILE), &text)
    }
}

fn signed_text(number: u64, hash: &str) -> String {
    digest([HEAD_FORMAT, &number.to_string(), hash])
}
