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
        Value::Object {
            class,
            fields,
            len,
            content,
        } => object(class, fields, *len, content.as_deref()),
        Value::Other { class, text } => format!("<{class} {text}>"),
        Value::Callable { name, .. } => format!("<{name}>"),
        Value::Module { name } => format!("<module {name}>"),
        Value::Redacted { kind, len } => format!("<taken out: {kind} of {len}>"),
        Value::Cut { class, len } => match len {
            Some(len) => format!("<{class} of {len}, not kept>"),
            None => format!("<{class}, not kept>"),
        },
        Value::Shared { id, value } => format!("#{id} {}", written(value)),
        Value::Ref { id } => format!("<the same as #{id}>"),
        Value::Unknown => "<of a kind that this version does not know>".to_string(),
    }
}

fn object(
    class: &str,
    fields: &Map<String, serde_json::Value>,
    len: Option<u64>,
    content: Option<&Value>,
) -> String {
    let written = fields.iter().map(|(name, field)| {
        let value = serde_json::from_value::<Value>(field.clone());
        let value = value.map_or_else(|_| field.to_string(), |value| written(&value));
        format!("{name}={value}")
    });
    let content = content.map(self::written);
    let inside = content.into_iter().chain(written).collect::<Vec<_>>();
    let count = len.map(|len| format!(" of {len}")).unwrap_or_default();
    format!("{class}({}){count}", inside.join(", "))
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
    fn the_same_object_at_two_places_is_told_by_its_number() {
        let shared = json!({"t": "list", "len": 1, "id": 3, "items": [{"t": "ref", "id": 3}]});
        assert_eq!(read(shared), "#3 [<the same as #3>]");
        assert_eq!(
            read(json!({"t": "hologram", "v": 1})),
            "<of a kind that this version does not know>"
        );
    }

    #[test]
    fn what_is_not_there_is_told() {
        let list = json!({"t": "list", "len": 60, "items": [{"t": "float", "v": "0.5"}]});
        assert_eq!(read(list), "[0.5 and 59 more]");
        let text = json!({"t": "str", "v": "ab", "len": 5000});
        assert_eq!(read(text), "\"ab\" and 4998 more");
        let array = json!({"t": "object", "class": "collections.deque", "fields": {}, "len": 9,
            "content": {"t": "list", "items": [{"t": "none"}], "len": 9}});
        assert_eq!(read(array), "collections.deque([None and 8 more]) of 9");
        let gone = json!({"t": "cut", "class": "builtins.int", "len": 70000});
        assert_eq!(read(gone), "<builtins.int of 70000, not kept>");
        let secret = json!({"t": "redacted", "kind": "str", "len": 12});
        assert_eq!(read(secret), "<taken out: str of 12>");
    }
}
