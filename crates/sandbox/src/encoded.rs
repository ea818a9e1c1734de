//! Bytes as base64 in the JSON that passes between caller and helper; nothing else is encoded here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn decode<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    STANDARD.decode(text).map_err(E::custom)
}

/// One run of bytes.
pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(bytes).serialize(to)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        decode(&String::deserialize(from)?)
    }
}

/// Files by path.
pub(crate) mod paths {
    use super::*;
    use std::path::PathBuf;

    pub(crate) fn serialize<S: Serializer>(
        files: &[(PathBuf, Vec<u8>)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            files
                .iter()
                .map(|(path, bytes)| (path, STANDARD.encode(bytes))),
        )
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, D::Error> {
        Vec::<(PathBuf, String)>::deserialize(from)?
            .into_iter()
            .map(|(path, text)| Ok((path, decode(&text)?)))
            .collect()
    }
}

/// Files by name.
pub(crate) mod names {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        files: &[(String, Vec<u8>)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            files
                .iter()
                .map(|(name, bytes)| (name, STANDARD.encode(bytes))),
        )
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Vec<(String, Vec<u8>)>, D::Error> {
        Vec::<(String, String)>::deserialize(from)?
            .into_iter()
            .map(|(name, text)| Ok((name, decode(&text)?)))
            .collect()
    }
}

/// Files by name, in a map.
pub(crate) mod map {
    use super::*;
    use std::collections::BTreeMap;

    pub(crate) fn serialize<S: Serializer>(
        files: &BTreeMap<String, Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(
            files
                .iter()
                .map(|(name, bytes)| (name, STANDARD.encode(bytes))),
        )
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        BTreeMap::<String, String>::deserialize(from)?
            .into_iter()
            .map(|(name, text)| Ok((name, decode(&text)?)))
            .collect()
    }
}
