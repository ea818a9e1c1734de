//! Silencing: the failure is cured, not hidden. First from the text alone, then by comparing what the patched request
//! does with what healthy requests on the same route do.

use super::Found;
use crate::answers;
use crate::baseline::Recording;
use crate::context::Context;
use crate::effects::{self, Effects};
use crate::shape;
use crate::structure::{self, Finding};
use homeostasis_domain::capsule::CapsuleKind;
use homeostasis_domain::{Answer, Candidate, Safety};
use homeostasis_protocol::Exchange;
use std::collections::BTreeSet;

/// What the text alone says of all edits.
pub(crate) fn findings(candidate: &Candidate) -> Vec<Finding> {
    candidate
        .edits
        .iter()
        .flat_map(structure::compare)
        .collect()
}

/// The refusal that needs no run, if there is one.
pub(crate) fn by_text(findings: &[Finding]) -> Option<Found> {
    let strong = findings.iter().find(|finding| !finding.weak)?;
    Some(refused(strong))
}

fn refused(finding: &Finding) -> Found {
    Found::failed(finding.code, finding.text.clone())
}

/// The whole check, once the patched program has answered what failed.
pub(crate) fn check(
    context: &Context,
    candidate: &Candidate,
    findings: &[Finding],
    recording: &Recording,
    healed: &Exchange,
) -> Found {
    if let Some(found) = by_text(findings) {
        return found;
    }
    let healthy: Vec<&Exchange> = recording
        .valid(context)
        .into_iter()
        .filter_map(|place| recording.witnesses.get(place))
        .collect();
    let writes: Vec<Effects> = healthy
        .iter()
        .map(|exchange| effects::writes(&exchange.effects))
        .collect();
    // A guard past something that may be mere reading: no loss only where nothing is ever written.
    if let Some(weak) = findings.first() {
        let reads_only =
            is_reading(context) && !healthy.is_empty() && writes.iter().all(Effects::is_empty);
        if !reads_only {
            return refused(weak);
        }
    }
    match candidate.answer {
        Answer::ClientError => by_blame(context, recording, healed),
        Answer::Success => by_effect(context, candidate, &healthy, &writes, healed),
    }
}

/// Where the values that the candidate makes up are kept, given the same run once more, and one with other values.
pub(crate) fn guessed(
    values: &[String],
    healed: &Exchange,
    again: &Exchange,
    other: &Exchange,
) -> Option<Found> {
    if !other.exceptions.is_empty() {
        return None;
    }
    let place = effects::kept(&healed.effects, &again.effects, &other.effects)?;
    let values = values.join(", ");
    Some(
        Found::inconclusive(format!(
            "the value {values}, which the candidate makes up, decides what `{place}` keeps, and nothing shows that it is right"
        ))
        .with("code", "silencing.guessed_write"),
    )
}

fn by_effect(
    context: &Context,
    candidate: &Candidate,
    healthy: &[&Exchange],
    writes: &[Effects],
    healed: &Exchange,
) -> Found {
    let done = effects::writes(&healed.effects);
    let expected = effects::common(writes);
    if let Some(lost) = expected.iter().find(|name| !done.contains_key(*name)) {
        return Found::failed(
            "silencing.lost_write",
            format!("the patched request is answered as a success without `{lost}`, which every healthy request does"),
        )
        .with("lost", lost.clone());
    }
    if let Some(missing) = missing_keys(candidate, healthy, healed) {
        return Found::failed(
            "silencing.lost_answer",
            format!("the patched answer lacks `{missing}`, which every healthy answer has"),
        );
    }
    if healthy.is_empty() {
        let guards = candidate.edits.iter().any(structure::is_guard);
        if guards && !is_reading(context) {
            return Found::inconclusive(
                "the edit makes something conditional on a route that writes, and no healthy request shows what must be written",
            );
        }
        return Found::passed(
            "nothing is hidden by the text of the edit; no healthy request to compare effects with",
        );
    }
    Found::passed(match expected.len() {
        0 => {
            "nothing is hidden, and healthy requests change nothing that could be lost".to_string()
        }
        1 => format!(
            "nothing is hidden, and `{}` is done as in healthy requests",
            expected[0]
        ),
        count => {
            format!("nothing is hidden, and all {count} effects of healthy requests are there")
        }
    })
    .with("effects", expected)
}

fn by_blame(context: &Context, recording: &Recording, healed: &Exchange) -> Found {
    let valid: BTreeSet<usize> = recording.valid(context).into_iter().collect();
    let Some(request) = context.request() else {
        return Found::failed(
            "silencing.blames_client",
            "there is no client to blame outside of a request",
        );
    };
    let own = shape::of_request(request);
    // Whether something exists, or is taken already, is a matter of values and not of shape.
    let of_values = matches!(healed.status, Some(404 | 409 | 410));
    let alike = context
        .sendable()
        .into_iter()
        .enumerate()
        .filter(|(place, _)| valid.contains(place))
        .find(|(_, witness)| {
            let other = &witness.request;
            let same = other.path == request.path
                && other.query == request.query
                && other.body == request.body;
            let shaped = own.as_ref().is_some_and(|own| !own.is_empty())
                && shape::of_request(other) == own
                && !of_values;
            other.method == request.method && (same || shaped)
        });
    match alike {
        Some(_) => Found::failed(
            "silencing.blames_client",
            "the client is told that its request is wrong, and a request of the same shape was answered well",
        ),
        None => Found::passed(
            "the client is told of the error, and no request of this shape was answered well",
        ),
    }
}

/// A key that all healthy JSON answers have and this one does not.
fn missing_keys(candidate: &Candidate, healthy: &[&Exchange], healed: &Exchange) -> Option<String> {
    let mut all = healthy.iter().map(|exchange| shape::keys(&exchange.body));
    let first = all.next()??;
    let common = all.try_fold(first, |common, keys| {
        Some(
            common
                .intersection(&keys?)
                .cloned()
                .collect::<BTreeSet<_>>(),
        )
    })?;
    let own = match answers::json(&healed.body) {
        Some(_) => shape::keys(&healed.body)?,
        None if healed.status.is_some_and(|status| status >= 300) => return None,
        None => BTreeSet::new(),
    };
    // Only a candidate that keeps the meaning of what worked may say that there is nothing where there was none.
    let absent = match candidate.safety {
        Safety::Safe => shape::nulls(&healed.body),
        Safety::Unsafe | Safety::ShowOnly => BTreeSet::new(),
    };
    lacking(&common, &own, &absent)
}

/// The first of the common keys that an answer lacks. A list without elements has none whose keys could be missing, and
/// neither has what is null: the key itself is there and says so. The whole answer is never excused.
fn lacking(
    common: &BTreeSet<String>,
    own: &BTreeSet<String>,
    absent: &BTreeSet<String>,
) -> Option<String> {
    let within_empty = |key: &str| {
        key.match_indices("[]")
            .any(|(at, _)| own.contains(&key[..at]) && !own.contains(&key[..at + 2]))
    };
    let within_null = |key: &str| {
        absent
            .iter()
            .filter(|place| !place.is_empty())
            .any(|place| {
                key.strip_prefix(place.as_str())
                    .is_some_and(|rest| rest.starts_with(['.', '[']))
            })
    };
    common
        .iter()
        .find(|key| !own.contains(*key) && !within_empty(key) && !within_null(key))
        .map(|key| {
            if key.is_empty() {
                "its JSON".to_string()
            } else {
                key.clone()
            }
        })
}

fn is_reading(context: &Context) -> bool {
    context.capsule.kind == CapsuleKind::Request
        && context
            .request()
            .is_some_and(|request| matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|place| (*place).to_string()).collect()
    }

    fn check(own: &[&str], absent: &[&str], expect: Option<&str>) {
        let common = places(&["", ".id", ".owner", ".owner.name"]);
        assert_eq!(
            lacking(&common, &places(own), &places(absent)).as_deref(),
            expect
        );
    }

    #[test]
    fn what_is_null_has_no_keys_of_its_own() {
        check(&["", ".id", ".owner"], &[".owner"], None);
    }

    #[test]
    fn the_key_itself_must_be_there() {
        check(&["", ".id"], &[], Some(".owner"));
        check(&["", ".owner", ".owner.name"], &[], Some(".id"));
    }

    #[test]
    fn another_object_is_not_excused_by_a_null_beside_it() {
        check(&["", ".id", ".owner"], &[".id"], Some(".owner.name"));
        check(&["", ".id", ".owner"], &[".own"], Some(".owner.name"));
    }

    #[test]
    fn an_answer_that_is_null_as_a_whole_is_not_excused() {
        check(&[""], &[""], Some(".id"));
    }
}
