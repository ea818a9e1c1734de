//! From an agent's message to an event, or a named refusal.

use crate::group;
use homeostasis_domain::Event;
use homeostasis_domain::capsule::{Capsule, Witness};
use homeostasis_domain::id::{EventId, digest};
use jiff::Timestamp;
use thiserror::Error;

use super::server::Source;

/// More frames than an agent may send mean that something else is speaking.
const MAX_FRAMES: usize = 400;

/// Why an event was not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// There is no exception in it.
    #[error("the capsule holds no exception")]
    NoException,
    /// The format is newer than this server.
    #[error("the capsule has format {0}, and this server reads format 1")]
    Schema(u32),
    /// The time is not a time.
    #[error("the event's time is not a time")]
    Time,
    /// It exceeds what an agent may send.
    #[error("the capsule holds more frames than an agent sends")]
    TooLarge,
}

/// Makes an event of what an agent sent. The same message gives the same id, so that sending it twice counts once.
pub fn event(
    source: &Source,
    received: Timestamp,
    pid: u32,
    time: f64,
    signature: String,
    capsule: Capsule,
    witnesses: Vec<Witness>,
) -> Result<Event, Refused> {
    if capsule.schema != 1 {
        return Err(Refused::Schema(capsule.schema));
    }
    if capsule.exceptions.is_empty() {
        return Err(Refused::NoException);
    }
    if capsule
        .exceptions
        .iter()
        .map(|exception| exception.frames.len())
        .sum::<usize>()
        > MAX_FRAMES
    {
        return Err(Refused::TooLarge);
    }
    let time_of = timestamp(time).ok_or(Refused::Time)?;
    let fingerprint = group::fingerprint(&capsule);
    let pid_text = pid.to_string();
    let time_text = time.to_string();
    let id = digest([
        source.service.as_str(),
        &pid_text,
        &time_text,
        &signature,
        fingerprint.as_str(),
    ]);
    Ok(Event {
        id: EventId::new(&id[..32]),
        service: source.service.clone(),
        environment: source.environment.clone(),
        time: time_of,
        received,
        signature,
        fingerprint,
        capsule,
        witnesses,
    })
}

/// Seconds since the epoch as a timestamp; `None` when out of range or not a number.
pub(super) fn timestamp(seconds: f64) -> Option<Timestamp> {
    if !seconds.is_finite() {
        return None;
    }
    Timestamp::from_microsecond((seconds * 1e6) as i64).ok()
}
