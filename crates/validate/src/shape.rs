//! The shape of requests and answers: names, kinds and rough classes of values, never the values themselves.
//!
//! The classes are those in which a client's mistake shows: a text that is a number is another class than one that is
//! not, zero is another than one, a list without elements another than one with some.

use crate::answers;
use homeostasis_domain::capsule::{Body, Request};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Classes of what is at each place; elements of a list share their places.
pub(crate) type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// Places of a request's query and body with the classes of what is there; `None` for a body of unknown form.
pub(crate) fn of_request(request: &Request) -> Option<Shape> {
    let mut shape = Shape::new();
    pairs(&request.query, "query", &mut shape);
    let bytes = answers::bytes(&request.body);
    if bytes.is_empty() {
        return Some(shape);
    }
    if let Some(value) = answers::json(&request.body) {
        walk(&value, "body".to_string(), &mut shape);
        return Some(shape);
    }
    let is_form = request.headers.iter().any(|(name, value)| {
        name == "content-type" && value.starts_with("application/x-www-form-urlencoded")
    });
    if !is_form {
        return None;
    }
    pairs(&String::from_utf8_lossy(&bytes), "form", &mut shape);
    Some(shape)
}

/// Keys of a JSON answer, by place; the elements of a list have one place together.
pub(crate) fn keys(body: &Body) -> Option<BTreeSet<String>> {
    let mut shape = Shape::new();
    walk(&answers::json(body)?, String::new(), &mut shape);
    Some(shape.into_keys().collect())
}

/// Places of a JSON answer at which null stands.
pub(crate) fn nulls(body: &Body) -> BTreeSet<String> {
    let mut shape = Shape::new();
    if let Some(value) = answers::json(body) {
        walk(&value, String::new(), &mut shape);
    }
    shape
        .into_iter()
        .filter(|(_, classes)| classes.contains("null"))
        .map(|(place, _)| place)
        .collect()
}

fn walk(value: &Value, place: String, shape: &mut Shape) {
    shape.entry(place.clone()).or_default().insert(class(value));
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                walk(inner, format!("{place}.{key}"), shape);
            }
        }
        Value::Array(list) => {
            for inner in list {
                walk(inner, format!("{place}[]"), shape);
            }
            // What only some of the elements have is another shape than what all have.
            let maps: Vec<_> = list.iter().filter_map(Value::as_object).collect();
            let names: BTreeSet<&String> = maps.iter().flat_map(|map| map.keys()).collect();
            for name in names {
                if maps.iter().any(|map| !map.contains_key(name)) {
                    shape
                        .entry(format!("{place}[].{name}"))
                        .or_default()
                        .insert("absent");
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => "zero",
            Some(number) if number < 0.0 => "negative number",
            _ if number.is_f64() => "fraction",
            _ => "number",
        },
        Value::String(text) => class_of_text(text),
        Value::Array(list) if list.is_empty() => "empty list",
        Value::Array(_) => "list",
        Value::Object(map) if map.is_empty() => "empty object",
        Value::Object(_) => "object",
    }
}

fn class_of_text(text: &str) -> &'static str {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return "empty text";
    }
    if let Ok(number) = trimmed.parse::<i64>() {
        return match number {
            0 => "text of zero",
            ..0 => "text of a negative number",
            _ => "text of a number",
        };
    }
    if trimmed.parse::<f64>().is_ok_and(f64::is_finite) {
        return "text of a fraction";
    }
    if is_date(trimmed) {
        return "text of a date";
    }
    if ["true", "false", "yes", "no", "on", "off"].contains(&trimmed.to_lowercase().as_str()) {
        return "text of a truth value";
    }
    if trimmed.contains('@') {
        return "text with @";
    }
    if trimmed.contains(|c: char| c.is_ascii_digit()) {
        return "text with digits";
    }
    "text"
}

/// A calendar date, alone or at the head of a time.
fn is_date(text: &str) -> bool {
    let Some(head) = text.get(..10) else {
        return false;
    };
    let parts: Vec<Option<u32>> = head.split('-').map(|part| part.parse().ok()).collect();
    let [Some(year), Some(month), Some(day)] = parts[..] else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    let rest = &text[10..];
    (1..=longest).contains(&day) && (rest.is_empty() || rest.starts_with(['T', ' ']))
}

fn pairs(text: &str, place: &str, shape: &mut Shape) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value
            .replace('+', " ")
            .replace("%20", " ")
            .replace("%40", "@");
        shape
            .entry(format!("{place}.{name}"))
            .or_default()
            .insert(class_of_text(&value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_whose_elements_differ_in_their_keys_has_a_shape_of_its_own() {
        let shape = |text: &str| {
            let mut shape = Shape::new();
            walk(
                &serde_json::from_str(text).unwrap(),
                String::new(),
                &mut shape,
            );
            shape
        };
        let whole = shape(r#"[{"id": 1, "n": 2}, {"id": 2, "n": 1}]"#);
        assert_eq!(whole, shape(r#"[{"id": 7, "n": 3}]"#));
        assert_ne!(whole, shape(r#"[{"id": 1, "n": 2}, {"id": 2}]"#));
    }

    #[test]
    fn a_text_belongs_to_the_class_in_which_a_mistake_shows() {
        for (text, expect) in [
            ("12", "text of a number"),
            ("0", "text of zero"),
            ("-3", "text of a negative number"),
            ("1.5", "text of a fraction"),
            ("abc", "text"),
            ("", "empty text"),
            ("2024-02-29", "text of a date"),
            ("2023-02-29", "text with digits"),
            ("2024-01-02T10:00:00", "text of a date"),
            ("2024-13-01", "text with digits"),
            ("yes", "text of a truth value"),
            ("äöü-äöü-ä", "text"),
        ] {
            assert_eq!(class_of_text(text), expect, "{text}");
        }
    }
}
