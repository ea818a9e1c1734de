//! Ids as newtypes, all from one list, so that one kind is never taken for another.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as the id; ids are opaque and are not validated beyond their type.
            pub fn new(text: impl Into<String>) -> Self { Self(text.into()) }
            /// The id as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}({})", stringify!($name), self.0) }
        }
    )+};
}

ids! {
    /// One occurrence; given by whoever saw it, unique in the store.
    EventId,
    /// What makes two failures the same failure; 64 hexadecimal digits.
    Fingerprint,
    /// One fingerprint in one service and environment; 8 hexadecimal digits, short enough to type.
    IncidentId,
    /// One attempt to heal an incident: the incident's id, a dot, and a number from 1.
    HealId,
    /// One possible remedy, derived from its edits, so that the same edit has the same id.
    CandidateId,
    /// One swap of code in the running program; the heal's id, and a letter for each stage that swaps again.
    SwapId,
}

impl IncidentId {
    /// The incident of a fingerprint in a service and an environment. Deterministic, so that a replay finds it again.
    pub fn of(service: &str, environment: &str, fingerprint: &Fingerprint) -> Self {
        let digest = digest([service, environment, fingerprint.as_str()]);
        Self(digest[..8].to_string())
    }
}

impl HealId {
    /// The `number`th heal (from 1) of an incident.
    pub fn of(incident: &IncidentId, number: u32) -> Self {
        Self(format!("{incident}.{number}"))
    }

    /// The incident this heal belongs to.
    pub fn incident(&self) -> IncidentId {
        let text = self.0.split('.').next().unwrap_or(&self.0);
        IncidentId(text.to_string())
    }
}

/// SHA-256 in hexadecimal over the parts, each preceded by its length, so that no two lists of parts collide.
pub fn digest<I, S>(parts: I) -> String
where
    I: IntoIterator<Item = S>,
    S: AsRef<[u8]>,
{
    let mut hasher = Sha256::new();
    for part in parts {
        let bytes = part.as_ref();
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    }
    hex::encode(hasher.finalize())
}

/// SHA-256 of the bytes in hexadecimal: the content hash used for source files and blobs everywhere.
pub fn content_hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
