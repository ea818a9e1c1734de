//! One entry of the audit log: its fields, the bytes that are hashed and the bytes that are signed.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use homeostasis_domain::id::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the first entry names as the hash before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const ENTRY_FORMAT: &str = "homeostasis audit entry 1";

/// What was done, before it is chained.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// When.
    pub at: Timestamp,
    /// Who: a person, or `homeostasis` itself.
    pub actor: String,
    /// What (`heal.approved`, `stop` ...).
    pub action: String,
    /// To what: the id of a heal, an incident ...
    pub subject: String,
    /// All the rest, as data.
    pub detail: serde_json::Value,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: String,
    /// All the rest, as JSON text: what was hashed must not depend on how numbers are read.
    pub detail: String,
    /// Hash of the entry before.
    pub previous: String,
    /// Hash of this entry.
    pub hash: String,
    /// Signature of that hash, in hexadecimal.
    pub signature: String,
}

impl AuditEntry {
    /// Chains and signs what was done.
    pub fn sign(number: u64, previous: &str, draft: Draft, key: &SigningKey) -> AuditEntry {
        let Draft {
            at,
            actor,
            action,
            subject,
            detail,
        } = draft;
        let mut entry = AuditEntry {
            number,
            at,
            actor,
            action,
            subject,
            detail: detail.to_string(),
            previous: previous.to_string(),
            hash: String::new(),
            signature: String::new(),
        };
        entry.hash = entry.digest();
        entry.signature = sign_text(&entry.hash, key);
        entry
    }

    /// The hash that the entry's other fields give.
    pub fn digest(&self) -> String {
        let AuditEntry {
            number,
            at,
            actor,
            action,
            subject,
            detail,
            previous,
            hash: _,
            signature: _,
        } = self;
        digest([
            ENTRY_FORMAT,
            &number.to_string(),
            &at.to_string(),
            actor,
            action,
            subject,
            detail,
            previous,
        ])
    }

    /// Whether the signature is that of the key over the hash.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        is_signature_of(&self.hash, &self.signature, key)
    }
}

/// Signs text, in hexadecimal.
pub(crate) fn sign_text(text: &str, key: &SigningKey) -> String {
    hex::encode(key.sign(text.as_bytes()).to_bytes())
}

/// Strict: exactly one signature of a text is valid, and exactly one way to write it.
pub(crate) fn is_signature_of(text: &str, signature: &str, key: &VerifyingKey) -> bool {
    let Ok(bytes) = hex::decode(signature) else {
        return false;
    };
    let Ok(parsed) = Signature::from_slice(&bytes) else {
        return false;
    };
    hex::encode(&bytes) == signature && key.verify_strict(text.as_bytes(), &parsed).is_ok()
}
