//! What the client really sent, decoded from the captured request, and whether a value is found there.

use super::Agreement;
use crate::case::Case;
use base64::Engine;
use homeostasis_domain::capsule::Request;
use homeostasis_domain::diagnosis::Origin;
use homeostasis_domain::value::Value;
use serde_json::Value as Json;

/// Bodies larger than this are not searched.
const LARGEST_BODY: usize = 256 * 1024;

/// Compares a value with the part of the request it is said to come from. Where the program can have read either the
/// query or the form (`request.values`), the origin becomes the one that holds the value.
pub(super) fn agreement(case: &Case<'_>, origin: &mut Origin, value: Option<&Value>) -> Agreement {
    let Some(request) = case
        .input
        .capsule
        .request
        .as_ref()
        .filter(|_| origin.is_client())
    else {
        return Agreement::Silent;
    };
    let Some(value) = value else {
        return Agreement::Silent;
    };
    let whole = !request.body.truncated && case.input.capsule.redacted.is_empty();
    let found =
        match origin {
            Origin::RequestBody => holds_in_body(request, value),
            Origin::RequestForm => holds_in_pairs(&form(request), value),
            Origin::RequestQuery => match holds_in_pairs(&pairs(&request.query), value) {
                Some(false) | None if holds_in_pairs(&form(request), value) == Some(true) => {
                    *origin = Origin::RequestForm;
                    Some(true)
                }
                other => other,
            },
            Origin::RequestPath => scalar(value)
                .map(|text| segments(request).iter().any(|segment| same(segment, &text))),
            Origin::RequestHeader => scalar(value)
                .map(|text| request.headers.iter().any(|(_, held)| held.contains(&text))),
            _ => None,
        };
    let shown = value.display(60);
    match found {
        Some(true) => Agreement::Confirmed(format!(
            "The value {shown} is there in what the client sent ({}).",
            origin.name()
        )),
        Some(false) if whole && !matches!(value, Value::None) => Agreement::Contradicted(format!(
            "The value {shown} is not to be found in what the client sent ({}).",
            origin.name()
        )),
        _ => Agreement::Silent,
    }
}

fn body(request: &Request) -> Option<Vec<u8>> {
    if request.body.data.len() > LARGEST_BODY * 4 / 3 {
        return None;
    }
    base64::engine::general_purpose::STANDARD
        .decode(request.body.data.as_bytes())
        .ok()
}

fn holds_in_body(request: &Request, value: &Value) -> Option<bool> {
    let bytes = body(request)?;
    if let Ok(json) = serde_json::from_slice::<Json>(&bytes) {
        return holds_in_json(&json, value);
    }
    match value {
        Value::Str { v, .. } => Some(String::from_utf8_lossy(&bytes).contains(v.as_str())),
        _ => None,
    }
}

/// Whether some part of the document equals the value; `None` where the value cannot be compared.
fn holds_in_json(json: &Json, value: &Value) -> Option<bool> {
    comparable(value).then(|| {
        let mut pending = vec![json];
        while let Some(next) = pending.pop() {
            if equals(next, value) {
                return true;
            }
            match next {
                Json::Array(items) => pending.extend(items),
                Json::Object(fields) => {
                    if let Value::Str { v, .. } = value
                        && fields.contains_key(v.as_str())
                    {
                        return true;
                    }
                    pending.extend(fields.values());
                }
                _ => {}
            }
        }
        false
    })
}

fn comparable(value: &Value) -> bool {
    match value {
        Value::Dict { items, len } => items.len() as u64 == *len,
        Value::List { items, len } => items.len() as u64 == *len,
        Value::Str { v, len } => v.chars().count() as u64 == *len,
        Value::None | Value::Bool { .. } | Value::Int { .. } | Value::Float { .. } => true,
        _ => false,
    }
}

fn equals(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::None) => true,
        (Json::Bool(a), Value::Bool { v }) => a == v,
        (Json::Number(a), Value::Int { v } | Value::Float { v }) => {
            a.to_string() == *v || (a.as_f64().is_some() && a.as_f64() == v.parse().ok())
        }
        // A number that the program made of a text.
        (Json::String(a), Value::Int { v }) => a == v,
        (Json::String(a), Value::Str { v, .. }) => a == v || (!v.is_empty() && a.trim() == v),
        (Json::Array(a), Value::List { items, .. }) => {
            a.len() == items.len() && a.iter().zip(items).take(8).all(|(a, b)| equals(a, b))
        }
        // Names are enough: the program may have changed what is under them.
        (Json::Object(a), Value::Dict { items, .. }) => {
            a.len() == items.len()
                && items
                    .iter()
                    .all(|(key, _)| key.as_str().is_some_and(|key| a.contains_key(key)))
        }
        _ => false,
    }
}

/// The value of a member of the request object that all frameworks take from what was sent in the same way.
pub(crate) fn member(request: &Request, name: &str) -> Option<Value> {
    match name {
        "args" | "GET" | "query_params" => Some(mapping(pairs(&request.query))),
        "form" | "POST" if !request.body.truncated => Some(mapping(form(request))),
        "json" | "get_json" if !request.body.truncated => {
            let document: Json = serde_json::from_slice(&body(request)?).ok()?;
            from_json(&document, 12)
        }
        _ => None,
    }
}

/// The first value of each name, as a lookup by name gives it.
fn mapping(pairs: Vec<(String, String)>) -> Value {
    let mut items: Vec<(Value, Value)> = Vec::new();
    for (name, value) in pairs {
        let name = crate::message::string(&name);
        if !items.iter().any(|(known, _)| *known == name) {
            items.push((name, crate::message::string(&value)));
        }
    }
    let len = items.len() as u64;
    Value::Dict { items, len }
}

/// A document as Python reads it; `None` when it nests deeper than `depth`.
fn from_json(json: &Json, depth: u32) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match json {
        Json::Null => Value::None,
        Json::Bool(v) => Value::Bool { v: *v },
        Json::Number(number) if number.is_f64() => Value::Float {
            v: number.to_string(),
        },
        Json::Number(number) => Value::Int {
            v: number.to_string(),
        },
        Json::String(text) => crate::message::string(text),
        Json::Array(elements) => Value::List {
            items: elements
                .iter()
                .take(50)
                .map(|element| from_json(element, depth))
                .collect::<Option<_>>()?,
            len: elements.len() as u64,
        },
        Json::Object(fields) => Value::Dict {
            items: fields
                .iter()
                .take(50)
                .map(|(name, field)| Some((crate::message::string(name), from_json(field, depth)?)))
                .collect::<Option<_>>()?,
            len: fields.len() as u64,
        },
    })
}

fn form(request: &Request) -> Vec<(String, String)> {
    let is_form = request.headers.iter().any(|(name, value)| {
        name == "content-type" && value.starts_with("application/x-www-form-urlencoded")
    });
    match body(request).filter(|_| is_form) {
        Some(bytes) => pairs(&String::from_utf8_lossy(&bytes)),
        None => Vec::new(),
    }
}

fn holds_in_pairs(pairs: &[(String, String)], value: &Value) -> Option<bool> {
    let text = scalar(value)?;
    if pairs.is_empty() {
        return None;
    }
    Some(
        pairs
            .iter()
            .any(|(name, held)| same(held, &text) || *name == text),
    )
}

fn same(sent: &str, text: &str) -> bool {
    sent == text || sent.trim() == text.trim()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Str { v, len } if v.chars().count() as u64 == *len => Some(v.clone()),
        Value::Int { v } | Value::Float { v } => Some(v.clone()),
        Value::Other { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn segments(request: &Request) -> Vec<String> {
    request
        .path
        .split('/')
        .map(|part| decoded(part, false))
        .filter(|part| !part.is_empty())
        .collect()
}

/// Names and values of a query string or an urlencoded form, at most 1,000.
fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .take(1000)
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name, true), decoded(value, true))
        })
        .collect()
}

fn decoded(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hexadecimal = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], hexadecimal) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        assert_eq!(
            pairs("a=1&b=x%20y+z&c&%zz=%"),
            [("a", "1"), ("b", "x y z"), ("c", ""), ("%zz", "%")]
                .map(|(a, b)| (a.to_string(), b.to_string()))
        );
    }

    #[test]
    fn parts_of_a_document_are_found() {
        let json = serde_json::json!({"items": [{"sku": "a", "qty": 2}], "note": null});
        let text = crate::message::string;
        assert_eq!(holds_in_json(&json, &text("a")), Some(true));
        assert_eq!(holds_in_json(&json, &text("b")), Some(false));
        assert_eq!(
            holds_in_json(&json, &Value::Int { v: "2".into() }),
            Some(true)
        );
        assert_eq!(
            holds_in_json(
                &json,
                &Value::Dict {
                    items: vec![(text("sku"), text("changed")), (text("qty"), Value::None)],
                    len: 2
                }
            ),
            Some(true)
        );
        assert_eq!(
            holds_in_json(
                &json,
                &Value::Cut {
                    class: "x".into(),
                    len: None
                }
            ),
            None
        );
    }
}
