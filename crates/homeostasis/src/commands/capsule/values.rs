//! Captured values as a programmer of the language would write them; what was cut or taken out says so.

use homeostasis_domain::value::Value;
use serde_json::Map;

/// One value on one line.
pub(super) fn written(value: &Value) -> String {
    match value {
        Value::None => "None".to_string(),
        Value::Bool { v: true } => "True".to_string(),
        Value::Bool { v: false } => "False".to_string(),
        Value::Int { v } | Value::Float { v } => v.clone(),
        Value::Str { v, len } => with_rest(&format!("{v:?}"), v.chars().count(), *len),
        Value::Bytes { v, len } => format!("<{len} bytes, base64 {v}>"),
        Value::List { items, len } => format!("[{}]", elements(items, *len)),
        Value::Tuple { items, len } => match items.as_slice() {
            [only] if *len == 1 => format!("({},)", written(only)),
            some => format!("({})", elements(some, *len)),
        },
        Value::Set { items, len } => format!("set({})", elements(items, *len)),
        Value::FrozenSet { items, len } => format!("frozenset({})", elements(items, *len)),
        Value::Dict { items, len } => {
            let pairs = items
                .iter()
                .map(|(key, item)| format!("{}: {}", written(key), written(item)));
            format!("{{{}}}", joined(pairs.collect(), items.len(), *len))
        }
        Value::Object { class, fields, len } => object(class, fields, *len),
        Value::Other { class, text } => format!("<{class} {text}>"),
        Value::Callable { name, .. } => format!("<{name}>"),
        Value::Module { name } => format!("<module {name}>"),
        Value::Redacted { kind, len } => format!("<taken out: {kind} of {len}>"),
        Value::Cut { class } => format!("<{class}, not kept>"),
    }
}

fn object(class: &str, fields: &Map<String, serde_json::Value>, len: Option<u64>) -> String {
    let written = fields.iter().map(|(name, field)| {
        let value = serde_json::from_value::<Value>(field.clone());
        let value = value.map_or_else(|_| field.to_string(), |value| written(&value));
        format!("{name}={value}")
    });
    let inside = written.collect::<Vec<_>>().join(", ");
    let count = len.map(|len| format!(" of {len}")).unwrap_or_default();
    format!("{class}({inside}){count}")
}

fn elements(items: &[Value], len: u64) -> String {
    joined(items.iter().map(written).collect(), items.len(), len)
}

fn joined(texts: Vec<String>, kept: usize, len: u64) -> String {
    with_rest(&texts.join(", "), kept, len)
}

/// Says how much is not there.
fn with_rest(text: &str, kept: usize, len: u64) -> String {
    match len.saturating_sub(kept as u64) {
        0 => text.to_string(),
        rest => format!("{text} and {rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> String {
        written(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn values_read_as_they_are_written_in_the_language() {
        let order = json!({"t": "dict", "len": 2, "items": [
            [{"t": "str", "v": "id", "len": 2}, {"t": "int", "v": "7"}],
            [{"t": "str", "v": "lines", "len": 5}, {"t": "tuple", "len": 1, "items": [{"t": "none"}]}]]});
        assert_eq!(read(order), r#"{"id": 7, "lines": (None,)}"#);
        let object = json!({"t": "object", "class": "shop.Order", "fields": {"paid": {"t": "bool", "v": true}}, "len": null});
        assert_eq!(read(object), "shop.Order(paid=True)");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let list = json!({"t": "list", "len": 60, "items": [{"t": "float", "v": "0.5"}]});
        assert_eq!(read(list), "[0.5 and 59 more]");
        let text = json!({"t": "str", "v": "ab", "len": 5000});
        assert_eq!(read(text), "\"ab\" and 4998 more");
        let secret = json!({"t": "redacted", "kind": "str", "len": 12});
        assert_eq!(read(secret), "<taken out: str of 12>");
    }
}
