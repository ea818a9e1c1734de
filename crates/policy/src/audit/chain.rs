//! Appending to the audit log: sign, store, then move the head; and opening it, where a crash is mended and anything
//! else that is wrong is refused.

use crate::audit::entry::{AuditEntry, Draft, GENESIS};
use crate::audit::head::Head;
use crate::audit::keys::{self, KeyError};
use crate::audit::verify::{Broken, parse, verify_with_head};
use ed25519_dalek::{SigningKey, VerifyingKey};
use homeostasis_store::{AuditAppendError, Store, StoreError};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The audit log of one store, ready to be appended to. There must be only one for a store at a time.
pub struct Chain {
    key: SigningKey,
    // Invariant: the last entry that is known to be in the store, whether or not the head already names it.
    last: Option<AuditEntry>,
    head_is_behind: bool,
}

/// Why the audit log could not be opened or appended to.
#[derive(Debug, Error)]
pub enum ChainError {
    /// It is not as it was written.
    #[error("{0}; keep the folder as evidence, and move it aside to go on with a new log")]
    Broken(#[from] Broken),
    /// There are entries, but not the key they were signed with.
    #[error(
        "the key of the audit log is missing in {folder}; restore audit.key and audit.pub from a backup, or move the folder aside"
    )]
    KeyMissing {
        /// Which folder.
        folder: PathBuf,
    },
    /// Nothing was ever written.
    #[error("nothing was recorded yet; the audit log begins with the first run")]
    NotBegun,
    /// The key's files.
    #[error("the key of the audit log cannot be used")]
    Key(#[from] KeyError),
    /// The head's file.
    #[error("audit.head in {folder} cannot be read or written")]
    Head {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store did not take it.
    #[error("the audit entry could not be stored")]
    Append(#[from] AuditAppendError),
    /// The store did not answer.
    #[error("the audit log could not be read")]
    Store(#[from] StoreError),
}

impl ChainError {
    pub(crate) fn head(folder: &Path) -> impl FnOnce(io::Error) -> ChainError {
        let folder = folder.to_path_buf();
        move |source| ChainError::Head { folder, source }
    }
}

impl Chain {
    /// Opens the audit log of a store and proves it whole, or begins it, with a new key, when there is none.
    pub async fn open(store: &Store) -> Result<Chain, ChainError> {
        let folder = store.folder();
        let entries = parse(&store.audit_entries().await?)?;
        let key = match keys::read(folder)? {
            Some(key) => key,
            None if entries.is_empty() => begin(folder)?,
            None => {
                return Err(ChainError::KeyMissing {
                    folder: folder.to_path_buf(),
                });
            }
        };
        let head = Head::read(folder).map_err(ChainError::head(folder))?;
        let verified = verify_with_head(&entries, head.as_ref(), &key.verifying_key())?;
        let mut chain = Chain {
            key,
            last: entries.into_iter().next_back(),
            head_is_behind: head.is_none_or(|head| head.number != verified.count),
        };
        chain.mend_head(folder)?;
        Ok(chain)
    }

    /// Records an action. When this returns, the entry and the new head are on disk. An error after the entry was
    /// stored leaves it there, and the head follows with the next append or opening.
    pub async fn append(
        &mut self,
        store: &Store,
        at: Timestamp,
        actor: &str,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<(), ChainError> {
        let draft = Draft {
            at,
            actor: actor.to_string(),
            action: action.to_string(),
            subject: subject.to_string(),
            detail,
        };
        // The head may never fall two entries behind, for that is how a cut end looks.
        self.mend_head(store.folder())?;
        match self.store_next(store, draft.clone()).await {
            Err(ChainError::Append(AuditAppendError::Conflict { .. })) => {
                // An earlier call was cancelled after its entry was stored and before this chain knew of it.
                *self = Chain::open(store).await?;
                self.store_next(store, draft).await?;
            }
            result => result?,
        }
        self.mend_head(store.folder())
    }

    /// The key that entries can be verified with.
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The last entry, if there is one.
    pub fn last(&self) -> Option<&AuditEntry> {
        self.last.as_ref()
    }

    async fn store_next(&mut self, store: &Store, draft: Draft) -> Result<(), ChainError> {
        let (number, previous) = match &self.last {
            Some(last) => (last.number + 1, last.hash.as_str()),
            None => (1, GENESIS),
        };
        let entry = AuditEntry::sign(number, previous, draft, &self.key);
        let body = serde_json::to_string(&entry).map_err(|error| StoreError::Unstorable {
            what: "an audit entry".to_string(),
            why: error.to_string(),
        })?;
        store
            .audit_append(entry.number, &entry.previous, &entry.hash, &body)
            .await?;
        self.last = Some(entry);
        self.head_is_behind = true;
        Ok(())
    }

    fn mend_head(&mut self, folder: &Path) -> Result<(), ChainError> {
        if self.head_is_behind {
            let head = Head::of(self.last.as_ref(), &self.key);
            head.write(folder).map_err(ChainError::head(folder))?;
            self.head_is_behind = false;
        }
        Ok(())
    }
}

/// A new key for an empty log. The head of the empty chain is written first: where there is a key, there is a head.
fn begin(folder: &Path) -> Result<SigningKey, ChainError> {
    let key = keys::generate()?;
    Head::of(None, &key)
        .write(folder)
        .map_err(ChainError::head(folder))?;
    keys::write(folder, &key)?;
    Ok(key)
}
