//! Proving an audit log: whether every entry is there, in order, as it was signed. Pure, but for [`verify_store`].

use crate::audit::chain::ChainError;
use crate::audit::entry::{AuditEntry, GENESIS};
use crate::audit::head::Head;
use crate::audit::keys;
use ed25519_dalek::VerifyingKey;
use homeostasis_store::Store;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A log that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Number of entries.
    pub count: u64,
    /// Hash of the last one; [`GENESIS`] for an empty log.
    pub head: String,
    /// The public key that signed it, in hexadecimal.
    pub key: String,
}

/// A log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("the audit log is broken at entry {number}: {what}")]
pub struct Broken {
    /// The first entry that is not right.
    pub number: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Reads stored entries. Each must be written exactly as Homeostasis writes it, to the byte.
pub fn parse(bodies: &[String]) -> Result<Vec<AuditEntry>, Broken> {
    let mut entries = Vec::with_capacity(bodies.len());
    for (number, body) in (1..).zip(bodies) {
        let entry: AuditEntry = serde_json::from_str(body)
            .map_err(|error| broken(number, format!("it cannot be read: {error}")))?;
        if serde_json::to_string(&entry).ok().as_deref() != Some(body) {
            return Err(broken(number, "it is not written as Homeostasis writes it"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Whether these entries are a chain from the first one on, all signed by the key. It cannot tell whether the end
/// was cut off; [`verify_with_head`] can.
pub fn verify(entries: &[AuditEntry], key: &VerifyingKey) -> Result<Verified, Broken> {
    let mut previous = GENESIS;
    for (number, entry) in (1..).zip(entries) {
        if entry.number != number {
            let what = format!(
                "entry {} stands there; one is missing, doubled or out of order",
                entry.number
            );
            return Err(broken(number, what));
        }
        if entry.previous != previous {
            return Err(broken(
                number,
                "it does not follow the entry before it; one of the two was changed or replaced",
            ));
        }
        if entry.digest() != entry.hash {
            return Err(broken(
                number,
                "its content was changed after it was written",
            ));
        }
        if !entry.is_signed_by(key) {
            return Err(broken(number, "it was not signed with the key of this log"));
        }
        previous = &entry.hash;
    }
    Ok(Verified {
        count: entries.len() as u64,
        head: previous.to_string(),
        key: hex::encode(key.to_bytes()),
    })
}

/// The same, and whether the chain ends where the head says. The head may be one entry behind, as a crash leaves it.
pub fn verify_with_head(
    entries: &[AuditEntry],
    head: Option<&Head>,
    key: &VerifyingKey,
) -> Result<Verified, Broken> {
    let verified = verify(entries, key)?;
    let next = verified.count + 1;
    let Some(head) = head else {
        return Err(broken(
            next,
            "the record of the last entry (audit.head) is missing or unreadable",
        ));
    };
    if !head.is_signed_by(key) {
        return Err(broken(
            next,
            "the record of the last entry (audit.head) was not signed with the key of this log",
        ));
    }
    if head.number > verified.count {
        let what = format!("entries {next} to {} were cut off the end", head.number);
        return Err(broken(next, what));
    }
    if head.number + 1 < verified.count {
        let what = format!(
            "the record of the last entry (audit.head) is an old one: it ends with entry {}",
            head.number
        );
        return Err(broken(head.number + 1, what));
    }
    let hash = match head.number {
        0 => GENESIS,
        number => entries[number as usize - 1].hash.as_str(),
    };
    if hash != head.hash {
        return Err(broken(
            head.number,
            "it is not the one that the record of the last entry (audit.head) names",
        ));
    }
    Ok(verified)
}

/// Proves the audit log of a store with the key and the head in its folder, also while another process appends to it.
/// The inner result is the proof; the outer error says that it could not be attempted.
pub async fn verify_store(store: &Store) -> Result<Result<Verified, Broken>, ChainError> {
    let folder = store.folder();
    loop {
        let before = Head::read(folder).map_err(ChainError::head(folder))?;
        let bodies = store.audit_entries().await?;
        let Some(key) = keys::read_public(folder)? else {
            return match (bodies.is_empty(), &before) {
                (true, None) => Err(ChainError::NotBegun),
                _ => Err(ChainError::KeyMissing {
                    folder: folder.to_path_buf(),
                }),
            };
        };
        // An entry that was appended meanwhile would make a whole log look broken.
        if Head::read(folder).map_err(ChainError::head(folder))? != before {
            continue;
        }
        let proof =
            parse(&bodies).and_then(|entries| verify_with_head(&entries, before.as_ref(), &key));
        return Ok(proof);
    }
}

fn broken(number: u64, what: impl Into<String>) -> Broken {
    Broken {
        number,
        what: what.into(),
    }
}
