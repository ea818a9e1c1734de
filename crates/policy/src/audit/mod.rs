//! The audit log: every action as a signed entry of a hash chain, so that a changed, missing, reordered or foreign
//! entry is found by anyone who has the public key.
//!
//! - An entry's `hash` is [`homeostasis_domain::id::digest`] (SHA-256 over the parts, each preceded by its length as
//!   8 bytes, big end first) of: `homeostasis audit entry 1`, number, time, actor, action, subject, detail, previous
//!   hash; numbers in decimal, the time as RFC 3339 in UTC, the detail as the JSON text that is stored.
//! - Its `signature` is Ed25519 over those 64 hexadecimal digits. The key is `audit.key` (0600) in the store's
//!   folder, its public half `audit.pub`.
//! - The end of the chain is kept apart in `audit.head`, signed too and replaced atomically after each entry, so that
//!   cutting off the end is found. A crash between the two leaves the head one entry behind; that is accepted, and
//!   mended when the chain is opened.
//!
//! What it cannot find: someone who can read the private key can sign a new history, and someone who restores an old
//! copy of the whole folder restores a true old history. Keep the public key and from time to time the head elsewhere.
//!
//! In reading order: [`entry`], [`keys`], [`head`], [`mod@verify`], [`chain`].

pub mod chain;
pub mod entry;
pub mod head;
pub mod keys;
pub mod verify;

pub use chain::{Chain, ChainError};
pub use entry::{AuditEntry, Draft, GENESIS};
pub use head::Head;
pub use verify::{Broken, Verified, parse, verify, verify_store, verify_with_head};
