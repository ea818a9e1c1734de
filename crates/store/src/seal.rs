//! Sealing values, so that whoever has the file and not the key reads none of them, and opening them again.
//!
//! XChaCha20-Poly1305 with a nonce of 192 random bits for each value: two equal ones are not to be expected before
//! 2^96 values. What is sealed is bound to its column, its row and its key by the associated data, so that a value put
//! into another row does not open there. It does not keep whoever may write the file from removing rows, from putting
//! an older value of the same row back, or from putting plain ones in.

use crate::error::StoreError;
use crate::key::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use std::fmt;

/// Length of the nonce that a sealed value begins with.
const NONCE: usize = 24;
/// What a key's proof says when it is opened.
const PROOF: &[u8] = b"homeostasis";

/// A column whose values are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Event,
    HealEntry,
    Outcome,
    Title,
    Source,
    Record,
    AuditEntry,
}

impl Column {
    pub(crate) const ALL: [Column; 7] = [
        Column::Event,
        Column::HealEntry,
        Column::Outcome,
        Column::Title,
        Column::Source,
        Column::Record,
        Column::AuditEntry,
    ];

    /// Part of what every sealed value is bound to: never change one.
    fn bound_to(self) -> &'static str {
        match self {
            Column::Event => "events.body",
            Column::HealEntry => "heal_log.event",
            Column::Outcome => "heals.outcome",
            Column::Title => "incidents.title",
            Column::Source => "blobs.body",
            Column::Record => "meta.value",
            Column::AuditEntry => "audit.body",
        }
    }

    /// For people.
    fn noun(self) -> &'static str {
        match self {
            Column::Event => "event",
            Column::HealEntry => "entry of heal",
            Column::Outcome => "outcome of heal",
            Column::Title => "title of incident",
            Column::Source => "blob",
            Column::Record => "record",
            Column::AuditEntry => "audit entry",
        }
    }
}

/// One value's place: a column and the key of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) column: Column,
    pub(crate) row: &'a str,
    /// The second part of the row's key, where there is one.
    pub(crate) number: i64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(column: Column, row: &'a str) -> Self {
        Place::numbered(column, row, 0)
    }

    pub(crate) fn numbered(column: Column, row: &'a str, number: i64) -> Self {
        Place {
            column,
            row,
            number,
        }
    }

    fn associated(&self, key: i64) -> Vec<u8> {
        let column = self.column.bound_to();
        associated(column, self.row, self.number, key)
    }
}

/// Every part has its length before it or a fixed one, so that no two places give the same bytes.
fn associated(column: &str, row: &str, number: i64, key: i64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(column.len() + row.len() + 32);
    for part in [column, row] {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes.extend(number.to_le_bytes());
    bytes.extend(key.to_le_bytes());
    bytes
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = self.column.noun();
        match self.column {
            Column::HealEntry => write!(f, "{noun} {} with number {}", self.row, self.number),
            Column::AuditEntry => write!(f, "{noun} {}", self.number),
            _ => write!(f, "{noun} {}", self.row),
        }
    }
}

/// The keys at hand, by their numbers in the store.
// Invariant: numbers are above 0, and the last key is the one that new values are sealed with.
#[derive(Clone, Default)]
pub(crate) struct Seals {
    keys: Vec<(i64, XChaCha20Poly1305)>,
}

impl Seals {
    /// Takes keys in the order of their numbers.
    pub(crate) fn of(keys: &[(i64, &Key)]) -> Seals {
        let cipher = |key: &Key| XChaCha20Poly1305::new(key.bytes());
        Seals {
            keys: keys
                .iter()
                .map(|(number, key)| (*number, cipher(key)))
                .collect(),
        }
    }

    /// Number of the key that new values are sealed with; 0 when they stay plain.
    pub(crate) fn current(&self) -> i64 {
        self.keys.last().map_or(0, |(number, _)| *number)
    }

    /// The value as it is to be written, with the number for the column `sealed`.
    pub(crate) fn seal(
        &self,
        place: Place<'_>,
        value: &[u8],
    ) -> Result<(i64, Vec<u8>), StoreError> {
        let Some((number, cipher)) = self.keys.last() else {
            return Ok((0, value.to_vec()));
        };
        let sealed = seal(cipher, &place.associated(*number), value)
            .ok_or_else(|| StoreError::unstorable(place.to_string(), "it cannot be sealed"))?;
        Ok((*number, sealed))
    }

    /// The value that was written with this number.
    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: i64,
        value: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        if sealed == 0 {
            return Ok(value);
        }
        let key = self.keys.iter().find(|(number, _)| *number == sealed);
        let Some((_, cipher)) = key else {
            return Err(StoreError::Sealed {
                what: place.to_string(),
            });
        };
        open(cipher, &place.associated(sealed), &value).ok_or_else(|| StoreError::Altered {
            what: place.to_string(),
        })
    }

    /// As [`Seals::seal`], for a column of text.
    pub(crate) fn seal_text(
        &self,
        place: Place<'_>,
        text: String,
    ) -> Result<(i64, String), StoreError> {
        if self.keys.is_empty() {
            return Ok((0, text));
        }
        let (number, sealed) = self.seal(place, text.as_bytes())?;
        Ok((number, STANDARD.encode(sealed)))
    }

    /// As [`Seals::open`], for a column of text.
    pub(crate) fn open_text(
        &self,
        place: Place<'_>,
        sealed: i64,
        text: String,
    ) -> Result<String, StoreError> {
        if sealed == 0 {
            return Ok(text);
        }
        let altered = || StoreError::Altered {
            what: place.to_string(),
        };
        let bytes = STANDARD.decode(text).map_err(|_| altered())?;
        String::from_utf8(self.open(place, sealed, bytes)?).map_err(|_| altered())
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({})", self.current())
    }
}

/// What shows later that it is this key that has this number.
pub(crate) fn proof(key: &Key, number: i64) -> Option<Vec<u8>> {
    let cipher = XChaCha20Poly1305::new(key.bytes());
    seal(&cipher, &associated("keys.proof", "", 0, number), PROOF)
}

/// Whether it is this key that has this number.
pub(crate) fn proves(key: &Key, number: i64, proof: &[u8]) -> bool {
    let cipher = XChaCha20Poly1305::new(key.bytes());
    let opened = open(&cipher, &associated("keys.proof", "", 0, number), proof);
    opened.as_deref() == Some(PROOF)
}

fn seal(cipher: &XChaCha20Poly1305, associated: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let nonce = XNonce::try_generate().ok()?;
    let payload = Payload {
        msg: value,
        aad: associated,
    };
    let sealed = cipher.encrypt(&nonce, payload).ok()?;
    let mut whole = Vec::with_capacity(NONCE + sealed.len());
    whole.extend(nonce.as_slice());
    whole.extend(sealed);
    Some(whole)
}

fn open(cipher: &XChaCha20Poly1305, associated: &[u8], whole: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = whole.split_at_checked(NONCE)?;
    let nonce = XNonce::try_from(nonce).ok()?;
    let payload = Payload {
        msg: sealed,
        aad: associated,
    };
    cipher.decrypt(&nonce, payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        let folder = tempfile::tempdir().unwrap();
        Key::create(&folder.path().join("key")).unwrap()
    }

    fn place(row: &str) -> Place<'_> {
        Place::numbered(Column::HealEntry, row, 3)
    }

    #[test]
    fn without_a_key_values_stay_as_they_are() {
        let seals = Seals::default();
        assert_eq!(seals.seal(place("a"), b"v").unwrap(), (0, b"v".to_vec()));
        assert_eq!(seals.open(place("a"), 0, b"v".to_vec()).unwrap(), b"v");
    }

    #[test]
    fn the_same_value_is_never_sealed_the_same_way() {
        let key = key();
        let seals = Seals::of(&[(1, &key)]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let (_, sealed) = seals.seal(place("a"), b"value").unwrap();
            assert!(seen.insert(sealed[..NONCE].to_vec()));
        }
    }

    #[test]
    fn a_value_opens_in_its_own_column_row_number_and_key_only() {
        let (first, second) = (key(), key());
        let seals = Seals::of(&[(1, &first), (2, &second)]);
        let (number, sealed) = seals.seal(place("ab"), b"value").unwrap();
        assert_eq!(number, 2);
        let opened = |place, number| seals.open(place, number, sealed.clone());
        assert_eq!(opened(place("ab"), 2).unwrap(), b"value");
        for (elsewhere, number) in [
            (place("a"), 2),
            (Place::numbered(Column::HealEntry, "ab", 4), 2),
            (Place::numbered(Column::Outcome, "ab", 3), 2),
            (place("ab"), 1),
        ] {
            let error = opened(elsewhere, number).unwrap_err();
            assert!(matches!(error, StoreError::Altered { .. }), "{error:?}");
        }
        let error = opened(place("ab"), 7).unwrap_err();
        assert!(matches!(error, StoreError::Sealed { .. }), "{error:?}");
    }

    #[test]
    fn a_key_proves_its_own_number_only() {
        let (own, other) = (key(), key());
        let proof = proof(&own, 1).unwrap();
        assert!(proves(&own, 1, &proof));
        assert!(!proves(&own, 2, &proof));
        assert!(!proves(&other, 1, &proof));
        assert!(!proves(&own, 1, &proof[..20]));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again_and_shows_nothing(
            value in proptest::collection::vec(any::<u8>(), 0..3000), row in ".{0,30}", number in any::<i64>()
        ) {
            let key = key();
            let seals = Seals::of(&[(1, &key)]);
            let place = Place::numbered(Column::Event, &row, number);
            let (sealed_with, sealed) = seals.seal(place, &value).unwrap();
            prop_assert_eq!(sealed.len(), value.len() + 40);
            if value.len() > 8 {
                prop_assert!(!sealed.windows(value.len()).any(|part| part == value));
            }
            prop_assert_eq!(seals.open(place, sealed_with, sealed).unwrap(), value);
        }

        #[test]
        fn text_that_is_sealed_opens_again(text in "\\PC{0,200}", row in "[a-z0-9-]{1,20}") {
            let key = key();
            let seals = Seals::of(&[(1, &key)]);
            let place = Place::new(Column::Title, &row);
            let (sealed_with, sealed) = seals.seal_text(place, text.clone()).unwrap();
            prop_assert_eq!(seals.open_text(place, sealed_with, sealed).unwrap(), text);
        }

        #[test]
        fn what_was_cut_or_changed_anywhere_does_not_open(
            value in proptest::collection::vec(any::<u8>(), 0..300), place_of_change in any::<prop::sample::Index>(), bit in 0..8_u8
        ) {
            let key = key();
            let seals = Seals::of(&[(1, &key)]);
            let (_, sealed) = seals.seal(place("a"), &value).unwrap();
            let at = place_of_change.index(sealed.len());
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(seals.open(place("a"), 1, changed).is_err());
            prop_assert!(seals.open(place("a"), 1, sealed[..at].to_vec()).is_err());
        }
    }
}
