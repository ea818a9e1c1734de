//! Replay: recorded healthy requests are answered, and have the effects, that they have without the candidate.

use super::Found;
use crate::answers::{difference, told};
use crate::baseline::Recording;
use crate::context::Context;
use crate::effects::{self, Effects};
use homeostasis_protocol::Exchange;

/// The first difference that is not noise, by the witness's place.
pub(crate) fn first_difference(
    context: &Context,
    recording: &Recording,
    again: Option<&[Exchange]>,
    new: &[Exchange],
) -> Option<(usize, String)> {
    recording.valid(context).into_iter().find_map(|place| {
        let old = recording.witnesses.get(place)?;
        let again = again.and_then(|all| all.get(place));
        let Some(new) = new.get(place) else {
            return Some((place, "it was not replayed".to_string()));
        };
        let found = difference(old, again, new).or_else(|| other_effects(old, again, new))?;
        Some((place, found))
    })
}

/// Why no witness is evidence: what the sandbox made of the first of them.
fn nothing_to_compare(context: &Context, recording: &Recording) -> String {
    let begin = "no recorded healthy request is answered in the sandbox as it was in production";
    let sent = context.sendable();
    match (sent.first(), recording.witnesses.first()) {
        (Some(witness), Some(exchange)) => format!(
            "{begin}: {} {} was answered with {} there, and here it {}",
            witness.request.method,
            witness.request.path,
            witness.response.status,
            told(exchange)
        ),
        _ => begin.to_string(),
    }
}

/// `new` is what the patched program answered to all witnesses; `again` what the unpatched one answered in a second
/// run, when there was reason for one.
pub(crate) fn check(
    context: &Context,
    recording: &Recording,
    again: Option<&[Exchange]>,
    new: Result<&[Exchange], &String>,
) -> Found {
    let valid = recording.valid(context).len();
    if context.witnesses.is_empty() {
        return Found::inconclusive("no healthy request on this route was recorded")
            .with("witnesses", 0);
    }
    if valid == 0 {
        return Found::inconclusive(nothing_to_compare(context, recording));
    }
    let new = match new {
        Ok(new) => new,
        Err(reason) => {
            return Found::failed(
                "replay.not_run",
                format!("the patched program could not be given the healthy requests: {reason}"),
            );
        }
    };
    let found = match first_difference(context, recording, again, new) {
        None => Found::passed(match valid {
            1 => "1 healthy request is answered as before".to_string(),
            count => format!("{count} healthy requests are answered as before"),
        }),
        Some((place, difference)) => {
            let request = context
                .sendable()
                .get(place)
                .map(|witness| format!("{} {}", witness.request.method, witness.request.path))
                .unwrap_or_default();
            Found::failed(
                "replay.differs",
                format!(
                    "the healthy request {request} is no longer answered as before: {difference}"
                ),
            )
        }
    };
    found
        .with("witnesses", valid)
        .with("noise_runs", usize::from(again.is_some()))
}

fn other_effects(old: &Exchange, again: Option<&Exchange>, new: &Exchange) -> Option<String> {
    let (before, after) = (effects::writes(&old.effects), effects::writes(&new.effects));
    let noise = again.map(|again| effects::writes(&again.effects));
    let count = |effects: &Effects, name: &String| effects.get(name).copied().unwrap_or(0);
    before.keys().chain(after.keys()).find_map(|name| {
        let (had, has) = (count(&before, name), count(&after, name));
        let varies = noise
            .as_ref()
            .is_some_and(|noise| count(noise, name) != had);
        (had != has && !varies)
            .then(|| format!("its effect `{name}` comes {has} times instead of {had}"))
    })
}
