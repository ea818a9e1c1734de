//! What a program answers, and whether two answers are the same once what varies by itself is set aside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homeostasis_domain::capsule::Body;
use homeostasis_protocol::Exchange;
use serde_json::Value;
use std::collections::BTreeMap;

/// The bytes of a body; what cannot be decoded is empty.
pub(crate) fn bytes(body: &Body) -> Vec<u8> {
    STANDARD.decode(&body.data).unwrap_or_default()
}

/// The body as JSON, when it is.
pub(crate) fn json(body: &Body) -> Option<Value> {
    let bytes = bytes(body);
    match bytes.first()? {
        b'{' | b'[' => serde_json::from_slice(&bytes).ok(),
        _ => None,
    }
}

/// Says in a phrase how an exchange ended.
pub(crate) fn told(exchange: &Exchange) -> String {
    if let Some(thrown) = exchange.exceptions.first() {
        let place = thrown
            .failing_frame()
            .or_else(|| thrown.frames.last())
            .map(|frame| format!(" at {}:{}", frame.file, frame.line))
            .unwrap_or_default();
        let message: String = thrown.message.chars().take(200).collect();
        return format!("failed with {}: {message}{place}", thrown.qualified_type());
    }
    match exchange.status {
        Some(status) => format!("answered {status}"),
        None => "ended without an exception".to_string(),
    }
}

/// What differs between two answers to the same request, given two answers of one and the same program, which differ
/// only by noise. `None` is no difference.
pub(crate) fn difference(
    old: &Exchange,
    old_again: Option<&Exchange>,
    new: &Exchange,
) -> Option<String> {
    if let Some(question) = new.unanswered.first()
        && old.unanswered.is_empty()
    {
        return Some(format!(
            "it asks something else of its dependencies ({question})"
        ));
    }
    if !new.exceptions.is_empty() && old.exceptions.is_empty() {
        return Some(told(new));
    }
    if old.status != new.status {
        return Some(format!("{} instead of {}", told(new), told(old)));
    }
    let (a, b) = (parts(&old.body), parts(&new.body));
    let noise = old_again.map(|again| parts(&again.body));
    let is_noise = |place: &String| {
        noise
            .as_ref()
            .is_some_and(|noise| noise.get(place) != a.get(place))
    };
    let places = a.keys().chain(b.keys());
    let found = places
        .filter(|place| a.get(*place) != b.get(*place))
        .find(|place| !is_noise(place))?;
    let show = |value: Option<&String>| match value {
        Some(text) => text.chars().take(80).collect(),
        None => "nothing".to_string(),
    };
    Some(format!(
        "{found} of the body is {} instead of {}",
        show(b.get(found)),
        show(a.get(found))
    ))
}

/// A body as named parts: the leaves of JSON, or else the lines.
fn parts(body: &Body) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    match json(body) {
        Some(value) => leaves(&value, String::new(), &mut parts),
        None => {
            let bytes = bytes(body);
            for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
                parts.insert(format!("line {}", number + 1), line.to_string());
            }
            if body.truncated {
                parts.insert("length".to_string(), body.len.to_string());
            }
        }
    }
    parts
}

fn leaves(value: &Value, place: String, parts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                leaves(inner, format!("{place}.{key}"), parts);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, inner) in list.iter().enumerate() {
                leaves(inner, format!("{place}[{index}]"), parts);
            }
        }
        leaf => {
            parts.insert(place, leaf.to_string());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn exchange(status: u16, body: &str) -> Exchange {
        Exchange {
            status: Some(status),
            headers: Vec::new(),
            body: Body {
                data: STANDARD.encode(body),
                len: body.len() as u64,
                truncated: false,
                sha256: None,
            },
            exceptions: Vec::new(),
            effects: Vec::new(),
            unanswered: Vec::new(),
            milliseconds: 1.0,
        }
    }

    #[test]
    fn equal_answers_have_no_difference() {
        let one = exchange(200, r#"{"a": 1, "b": [2]}"#);
        assert_eq!(
            difference(&one, None, &exchange(200, r#"{"b":[2],"a":1}"#)),
            None
        );
    }

    #[test]
    fn a_changed_missing_or_added_part_is_a_difference() {
        let old = exchange(200, r#"{"a": 1}"#);
        for new in [r#"{"a": 2}"#, r#"{}"#, r#"{"a": 1, "b": 1}"#, "text"] {
            assert!(
                difference(&old, None, &exchange(200, new)).is_some(),
                "{new}"
            );
        }
        assert!(difference(&old, None, &exchange(201, r#"{"a": 1}"#)).is_some());
    }

    #[test]
    fn what_varies_by_itself_is_no_difference_and_does_not_hide_another() {
        let old = exchange(200, r#"{"at": 1, "total": 5}"#);
        let again = exchange(200, r#"{"at": 2, "total": 5}"#);
        let same = exchange(200, r#"{"at": 3, "total": 5}"#);
        let worse = exchange(200, r#"{"at": 3, "total": 6}"#);
        assert_eq!(difference(&old, Some(&again), &same), None);
        assert!(difference(&old, Some(&again), &worse).is_some());
    }
}
