//! One message, one line.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Longer lines are refused.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Why a line is not a message.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("the message has {0} bytes, more than the {MAX_MESSAGE_BYTES} allowed")]
    TooLong(usize),
    /// Not the JSON of a message.
    #[error("the message is not well formed")]
    Malformed(#[from] serde_json::Error),
}

/// Reads one line, with or without its line end.
pub fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, DecodeError> {
    if line.len() > MAX_MESSAGE_BYTES {
        return Err(DecodeError::TooLong(line.len()));
    }
    Ok(serde_json::from_slice(line)?)
}

/// Writes one line, with its line end.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "messages hold only maps with text keys, which always serialise"
    )]
    let mut line = serde_json::to_vec(message).expect("messages serialise");
    line.push(b'\n');
    line
}
