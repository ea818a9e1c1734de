//! The conformance vectors against the Rust types, and what becomes of messages that are newer, broken or hostile;
//! what the agents make of the vectors is tested beside each agent.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use homeostasis_domain::capsule::{Capsule, Frame};
use homeostasis_domain::id::content_hash;
use homeostasis_protocol::{
    AgentMessage, ReplayInput, ReplayKind, ReplayResult, ServerMessage, decode, encode,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

/// Who reads a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    Server,
    Agent,
    ReplayInput,
    ReplayResult,
}

/// Objects whose keys are names of the watched program's making, not fields of the protocol.
const MAPS: [&str; 6] = [
    "attributes",
    "locals",
    "globals",
    "fields",
    "keywords",
    "frameworks",
];

fn vectors() -> Vec<(String, Reader, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut found: Vec<(String, Reader, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            (name.clone(), reader(&name, &value), value)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

fn reader(name: &str, vector: &Value) -> Reader {
    match vector["type"].as_str() {
        Some("welcome" | "swap" | "unswap" | "report" | "rearm") => Reader::Agent,
        Some(_) => Reader::Server,
        None if name.starts_with("replay_input") => Reader::ReplayInput,
        None if name.starts_with("replay_result") => Reader::ReplayResult,
        None => panic!("nobody is known to read {name}"),
    }
}

/// Decodes a text and encodes it again; None when it is not a message for this reader.
fn through(reader: Reader, text: &[u8]) -> Option<Value> {
    fn again<T: DeserializeOwned + Serialize + Debug>(text: &[u8]) -> Option<Value> {
        let message: T = decode(text).ok()?;
        let line = encode(&message);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        Some(serde_json::from_slice(&line).unwrap())
    }
    match reader {
        Reader::Server => again::<AgentMessage>(text),
        Reader::Agent => again::<ServerMessage>(text),
        Reader::ReplayInput => again::<ReplayInput>(text),
        Reader::ReplayResult => again::<ReplayResult>(text),
    }
}

/// Where two JSON values differ; `encoded` may say null or an empty list where `vector` leaves a field out,
/// and the last bit of a float may differ, because serde_json reads floats fast rather than exactly.
fn difference(vector: &Value, encoded: &Value, place: &str) -> Option<String> {
    match (vector, encoded) {
        (Value::Object(one), Value::Object(other)) => {
            let lost = one.keys().find(|key| !other.contains_key(*key));
            let made_up = other
                .iter()
                .find(|(key, value)| {
                    !one.contains_key(*key) && !value.is_null() && **value != json!([])
                })
                .map(|(key, _)| key);
            if let Some(key) = lost.or(made_up) {
                return Some(format!("{place}.{key} is on one side only"));
            }
            one.iter()
                .find_map(|(key, value)| difference(value, &other[key], &format!("{place}.{key}")))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (one, other))| difference(one, other, &format!("{place}[{at}]"))),
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            ((one - other).abs() > one.abs() * 1e-12)
                .then(|| format!("{place}: {one} became {other}"))
        }
        _ if vector == encoded => None,
        _ => Some(format!("{place}: {vector} became {encoded}")),
    }
}

/// Every object of the protocol in a message, but for maps.
fn objects<'a>(value: &'a mut Value, change: &mut dyn FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::Object(entries) if MAPS.contains(&name.as_str()) => entries
                        .values_mut()
                        .for_each(|entry| objects(entry, change)),
                    _ => objects(field, change),
                }
            }
            change(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| objects(item, change)),
        _ => {}
    }
}

fn vector(wanted: &str) -> Value {
    vectors()
        .into_iter()
        .find(|(name, _, _)| name == wanted)
        .unwrap()
        .2
}

#[test]
fn every_vector_is_read_and_written_again_as_it_was() {
    for (name, reader, vector) in vectors() {
        let encoded = through(reader, vector.to_string().as_bytes());
        let encoded = encoded.unwrap_or_else(|| panic!("{name} is not read"));
        assert_eq!(difference(&vector, &encoded, &name), None);
    }
}

#[test]
fn there_is_a_vector_of_every_message_state_and_kind() {
    let all = vectors();
    let texts = |reader: Reader, field: &str| -> BTreeSet<String> {
        all.iter()
            .filter(|one| one.1 == reader)
            .filter_map(|one| one.2[field].as_str().map(str::to_string))
            .collect()
    };
    let set =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| n.to_string()).collect() };
    assert_eq!(
        texts(Reader::Server, "type"),
        set(&[
            "hello",
            "event",
            "repeats",
            "traffic",
            "swap_result",
            "unswap_result",
            "state"
        ])
    );
    assert_eq!(
        texts(Reader::Agent, "type"),
        set(&["welcome", "swap", "unswap", "report", "rearm"])
    );
    assert_eq!(
        texts(Reader::Server, "state"),
        set(&[
            "applied",
            "already",
            "not_loaded",
            "refused",
            "failed",
            "restored"
        ])
    );
    assert_eq!(
        texts(Reader::ReplayInput, "kind"),
        set(&["request", "process", "call"])
    );
    let mut kinds = BTreeSet::new();
    objects(&mut vector("event_request"), &mut |fields| {
        kinds.extend(fields.get("t").and_then(Value::as_str).map(str::to_string));
    });
    assert_eq!(
        kinds,
        set(&[
            "none",
            "bool",
            "int",
            "float",
            "str",
            "bytes",
            "list",
            "tuple",
            "set",
            "frozenset",
            "dict",
            "object",
            "other",
            "callable",
            "module",
            "redacted",
            "cut",
            "ref"
        ])
    );
}

#[test]
fn the_hashes_in_the_vectors_are_those_of_the_sources_beside_them() {
    use base64::Engine;
    let hash = |source: &Value| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(source.as_str().unwrap());
        json!(content_hash(&bytes.unwrap()))
    };
    let mut checked = 0;
    for (_, _, mut vector) in vectors() {
        objects(&mut vector, &mut |fields| {
            for (source, digest) in [
                ("old", "old_sha256"),
                ("new", "new_sha256"),
                ("source", "sha256"),
            ] {
                if let Some(source) = fields.get(source) {
                    assert_eq!(fields[digest], hash(source));
                    checked += 1;
                }
            }
        });
    }
    assert_eq!(checked, 8);
}

#[test]
fn unknown_fields_are_ignored_wherever_they_are() {
    for (name, reader, vector) in vectors() {
        let mut newer = vector.clone();
        let mut count = 0;
        objects(&mut newer, &mut |fields| {
            fields.insert("newer".into(), json!({"deep": [1, null]}));
            count += 1;
        });
        assert!(count > 0);
        let encoded = through(reader, newer.to_string().as_bytes());
        let mut encoded =
            encoded.unwrap_or_else(|| panic!("{name} is refused for what it does not know"));
        objects(&mut encoded, &mut |fields| {
            fields.remove("newer");
        });
        assert_eq!(difference(&vector, &encoded, &name), None);
    }
}

#[test]
fn unknown_message_types_are_read_as_such_on_both_sides() {
    for text in [
        r#"{"type":"drain"}"#,
        r#"{"type":"drain","seconds":3,"files":[{"a":null}]}"#,
    ] {
        assert_eq!(
            decode::<AgentMessage>(text.as_bytes()).unwrap(),
            AgentMessage::Unknown
        );
        assert_eq!(
            decode::<ServerMessage>(text.as_bytes()).unwrap(),
            ServerMessage::Unknown
        );
    }
    for text in [
        r#"{"kind":"process"}"#,
        r#"{"type":null}"#,
        r#"{"type":7}"#,
        "[]",
        "null",
        "",
    ] {
        assert!(decode::<AgentMessage>(text.as_bytes()).is_err(), "{text}");
        assert!(decode::<ServerMessage>(text.as_bytes()).is_err(), "{text}");
    }
}

/// What must be there, each as the last field of its path; all else may be null or absent.
const ESSENTIAL: [&str; 37] = [
    "type",
    "protocol",
    "agent",
    "language",
    "pid",
    "time",
    "signature",
    "capsule",
    "schema",
    "kind",
    "process",
    "cwd",
    "exceptions",
    "file",
    "function",
    "line",
    "method",
    "path",
    "request",
    "response",
    "status",
    "items",
    "count",
    "first",
    "last",
    "since",
    "until",
    "routes",
    "route",
    "requests",
    "failed",
    "swap",
    "ok",
    "state",
    "request_id",
    "files",
    "ready",
];

#[test]
fn null_or_nothing_in_any_field_that_is_not_essential_costs_no_message() {
    let mut tried = 0;
    for (name, reader, vector) in vectors() {
        if !matches!(reader, Reader::Server | Reader::ReplayResult) {
            continue;
        }
        for place in places(&vector, "") {
            let field = place.rsplit('/').next().unwrap();
            if ESSENTIAL.contains(&field) || place.contains("/effects/") {
                continue;
            }
            tried += 1;
            let mut poorer = vector.clone();
            *poorer.pointer_mut(&place).unwrap() = Value::Null;
            assert!(
                through(reader, poorer.to_string().as_bytes()).is_some(),
                "{name}: null at {place} is refused"
            );
            let (parent, _) = place.rsplit_once('/').unwrap();
            let parent = poorer.pointer_mut(parent).unwrap();
            parent.as_object_mut().unwrap().remove(field);
            assert!(
                through(reader, poorer.to_string().as_bytes()).is_some(),
                "{name}: nothing at {place} is refused"
            );
        }
    }
    assert!(tried > 200, "{tried}");
}

/// JSON pointers to all fields of the protocol's objects, values of the program excepted.
fn places(value: &Value, at: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                let here = format!("{at}/{name}");
                let inside = if MAPS.contains(&name.as_str()) {
                    Vec::new()
                } else {
                    places(field, &here)
                };
                std::iter::once(here).chain(inside)
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(number, item)| places(item, &format!("{at}/{number}")))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_frame_without_a_module_name_is_a_frame() {
    let frame = json!({"file": "<string>", "module": null, "function": "f", "line": 1, "first_line": null, "in_app": null,
        "text": null, "arguments": null, "locals": null, "globals": null});
    let frame: Frame = serde_json::from_value(frame).unwrap();
    assert_eq!((frame.module.as_str(), frame.in_app), ("", false));
    let mut event = vector("event_request");
    event["capsule"]["exceptions"][0]["frames"][2]["module"] = Value::Null;
    let capsule: Capsule = serde_json::from_value(event["capsule"].take()).unwrap();
    let failing = capsule.thrown().unwrap().failing_frame().unwrap();
    assert_eq!((failing.module.as_str(), failing.line), ("", 17));
}

#[test]
fn a_replay_of_a_process_has_no_requests() {
    let input: ReplayInput = serde_json::from_value(vector("replay_input_process")).unwrap();
    assert_eq!((input.kind, input.requests.len()), (ReplayKind::Process, 0));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(hello|event|traffic|state|swap|welcome|request|int|dict|object)".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(
                "(type|t|v|items|len|capsule|kind|files|schema|[a-z]{1,5})",
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads a text as everything; what is read must be writable, and readable as the same again.
fn read_as_everything(text: &[u8]) -> Result<(), TestCaseError> {
    for reader in [
        Reader::Server,
        Reader::Agent,
        Reader::ReplayInput,
        Reader::ReplayResult,
    ] {
        if let Some(once) = through(reader, text) {
            let twice = through(reader, once.to_string().as_bytes());
            let twice =
                twice.ok_or_else(|| TestCaseError::fail(format!("not read again: {once}")))?;
            prop_assert_eq!(difference(&once, &twice, ""), None);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_json_never_panics(value in any_json()) {
        read_as_everything(value.to_string().as_bytes())?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes)?;
    }

    #[test]
    fn truncated_vectors_are_refused(which in any::<prop::sample::Index>(), end in any::<prop::sample::Index>()) {
        let all = vectors();
        let text = which.get(&all).2.to_string();
        let cut = &text.as_bytes()[..end.index(text.len())];
        read_as_everything(cut)?;
        prop_assert_eq!(through(which.get(&all).1, cut), None);
    }

    #[test]
    fn vectors_with_changed_bytes_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut text = which.get(&vectors()).2.to_string().into_bytes();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        read_as_everything(&text)?;
    }

    #[test]
    fn vectors_with_another_value_in_any_place_never_panic(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut vector = which.get(&vectors()).2.clone();
        let all = places(&vector, "");
        *vector.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        read_as_everything(vector.to_string().as_bytes())?;
    }
}
