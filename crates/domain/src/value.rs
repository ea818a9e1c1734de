//! Values as an agent saw them: typed, bounded, never code. The format is in `lib/protocol/README.md`, "Values".

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A captured value. Where `len` is larger than what is there, the rest was cut by the agent.
///
/// The derived functions read and write all but [`Value::Shared`], which in the protocol is a field of the value itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase", remote = "Self")]
pub enum Value {
    /// The absent value of the language (`None`, `null`, `nil`).
    None,
    /// A boolean.
    Bool {
        /// The value.
        v: bool,
    },
    /// An integer of any size.
    Int {
        /// Decimal text, or hexadecimal with `0x` for very large ones.
        v: String,
    },
    /// A floating-point number, as the language prints it exactly.
    Float {
        /// Text that reads back as the same number.
        v: String,
    },
    /// Text.
    Str {
        /// The text, cut at the agent's limit.
        v: String,
        /// Full length in characters.
        len: u64,
    },
    /// Bytes.
    Bytes {
        /// Base64.
        v: String,
        /// Full length in bytes.
        len: u64,
    },
    /// A list.
    List {
        /// The first elements.
        items: Vec<Value>,
        /// Full length.
        len: u64,
    },
    /// A tuple.
    Tuple {
        /// The first elements.
        items: Vec<Value>,
        /// Full length.
        len: u64,
    },
    /// A set.
    Set {
        /// Some elements.
        items: Vec<Value>,
        /// Full length.
        len: u64,
    },
    /// An immutable set.
    FrozenSet {
        /// Some elements.
        items: Vec<Value>,
        /// Full length.
        len: u64,
    },
    /// A mapping.
    Dict {
        /// The first pairs.
        items: Vec<(Value, Value)>,
        /// Full number of pairs.
        len: u64,
    },
    /// An object with fields.
    Object {
        /// Qualified class name.
        class: String,
        /// Fields by name.
        #[serde(default)]
        fields: serde_json::Map<String, serde_json::Value>,
        /// Number of elements, for containers of other classes.
        #[serde(default)]
        len: Option<u64>,
        /// What it holds beside its fields: that of the built-in class it derives from, or its first elements.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Box<Value>>,
    },
    /// An immutable value whose text says all (decimal, date, enum member ...).
    Other {
        /// Qualified class name.
        class: String,
        /// Its text.
        text: String,
    },
    /// A function, method or class.
    Callable {
        /// Qualified class name.
        class: String,
        /// Qualified name.
        name: String,
    },
    /// A module.
    Module {
        /// Its name.
        name: String,
    },
    /// Taken out because it looked secret.
    Redacted {
        /// What it was.
        kind: String,
        /// Its length.
        #[serde(default)]
        len: u64,
    },
    /// Not captured because a limit was reached.
    Cut {
        /// Qualified class name.
        class: String,
        /// Its length, where it has one.
        #[serde(default)]
        len: Option<u64>,
    },
    /// The same object as the value with this number.
    Ref {
        /// The number.
        id: u64,
    },
    /// A value with a number, which others refer to; in the protocol it is the value with a field `id`.
    #[serde(skip)]
    Shared {
        /// The number.
        id: u64,
        /// The value.
        value: Box<Value>,
    },
    /// Of a kind that only newer agents know.
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = serde_json::Map::deserialize(deserializer)?;
        let is_reference = read.get("t").is_some_and(|kind| kind == "ref");
        let id = match read.get("id") {
            Some(id) if !is_reference => id.as_u64(),
            _ => Option::None,
        };
        if id.is_some() {
            read.remove("id");
        }
        let value =
            Value::deserialize(serde_json::Value::Object(read)).map_err(D::Error::custom)?;
        Ok(match id {
            Some(id) => Value::Shared {
                id,
                value: Box::new(value),
            },
            Option::None => value,
        })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Shared { id, value } = self else {
            return Value::serialize(self, serializer);
        };
        let mut written = serde_json::to_value(value).map_err(S::Error::custom)?;
        if let Some(fields) = written.as_object_mut() {
            fields.insert("id".to_string(), (*id).into());
        }
        written.serialize(serializer)
    }
}

impl Value {
    /// The name of the value's type as a Python programmer writes it (`NoneType`, `dict`, `shop.models.Order`).
    pub fn type_name(&self) -> &str {
        match self {
            Value::None => "NoneType",
            Value::Bool { .. } => "bool",
            Value::Int { .. } => "int",
            Value::Float { .. } => "float",
            Value::Str { .. } => "str",
            Value::Bytes { .. } => "bytes",
            Value::List { .. } => "list",
            Value::Tuple { .. } => "tuple",
            Value::Set { .. } => "set",
            Value::FrozenSet { .. } => "frozenset",
            Value::Dict { .. } => "dict",
            Value::Module { .. } => "module",
            Value::Object { class, .. }
            | Value::Other { class, .. }
            | Value::Callable { class, .. }
            | Value::Cut { class, .. } => class,
            Value::Redacted { kind, .. } => kind,
            Value::Shared { value, .. } => value.type_name(),
            Value::Ref { .. } | Value::Unknown => "object",
        }
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str { v, .. } => Some(v),
            Value::Shared { value, .. } => value.as_str(),
            _ => Option::None,
        }
    }

    /// The number of elements, characters or pairs, where the value has one.
    pub fn len(&self) -> Option<u64> {
        match self {
            Value::Str { len, .. }
            | Value::Bytes { len, .. }
            | Value::List { len, .. }
            | Value::Tuple { len, .. }
            | Value::Set { len, .. }
            | Value::FrozenSet { len, .. }
            | Value::Dict { len, .. } => Some(*len),
            Value::Object { len, .. } => *len,
            Value::Shared { value, .. } => value.len(),
            _ => Option::None,
        }
    }

    /// True for a container or text known to be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// A field of an object, or the value under a text key of a mapping.
    pub fn get(&self, name: &str) -> Option<Value> {
        match self {
            Value::Object { fields, .. } => fields
                .get(name)
                .and_then(|field| serde_json::from_value(field.clone()).ok()),
            Value::Dict { items, .. } => items
                .iter()
                .find(|(key, _)| key.as_str() == Some(name))
                .map(|(_, value)| value.clone()),
            Value::Shared { value, .. } => value.get(name),
            _ => Option::None,
        }
    }

    /// One line for people, at most about `limit` characters.
    pub fn display(&self, limit: usize) -> String {
        let text = match self {
            Value::None => "None".to_string(),
            Value::Bool { v } => if *v { "True" } else { "False" }.to_string(),
            Value::Int { v } | Value::Float { v } => v.clone(),
            Value::Str { v, .. } => format!("{v:?}"),
            Value::Bytes { len, .. } => format!("<{len} bytes>"),
            Value::List { items, len } => sequence("[", items, *len, "]", limit),
            Value::Tuple { items, len } => sequence("(", items, *len, ")", limit),
            Value::Set { items, len } | Value::FrozenSet { items, len } => {
                sequence("{", items, *len, "}", limit)
            }
            Value::Dict { items, len } => {
                let shown: Vec<String> = items
                    .iter()
                    .take(8)
                    .map(|(k, v)| format!("{}: {}", k.display(40), v.display(60)))
                    .collect();
                let rest = if *len > shown.len() as u64 {
                    ", ..."
                } else {
                    ""
                };
                format!("{{{}{rest}}}", shown.join(", "))
            }
            Value::Object { class, .. } => format!("<{class}>"),
            Value::Other { class, text } => {
                format!("{}({text})", class.rsplit('.').next().unwrap_or(class))
            }
            Value::Callable { name, .. } => format!("<{name}>"),
            Value::Module { name } => format!("<module {name}>"),
            Value::Redacted { kind, len } => format!("<redacted {kind}, {len} long>"),
            Value::Cut { class, .. } => format!("<{class}, not captured>"),
            Value::Shared { value, .. } => return value.display(limit),
            Value::Ref { id } => format!("<as #{id}>"),
            Value::Unknown => "<of an unknown kind>".to_string(),
        };
        shorten(&text, limit)
    }
}

fn sequence(open: &str, items: &[Value], len: u64, close: &str, limit: usize) -> String {
    let shown: Vec<String> = items
        .iter()
        .take(8)
        .map(|item| item.display(limit.min(60)))
        .collect();
    let rest = if len > shown.len() as u64 {
        ", ..."
    } else {
        ""
    };
    format!("{open}{}{rest}{close}", shown.join(", "))
}

/// Cuts text to `limit` characters, on a character boundary, with a mark.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_string();
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_stays_with_its_value() {
        let list = json!({"t": "list", "items": [{"t": "ref", "id": 3}], "len": 1, "id": 3});
        let value: Value = serde_json::from_value(list.clone()).unwrap();
        assert_eq!(value.type_name(), "list");
        assert_eq!(value.len(), Some(1));
        assert_eq!(serde_json::to_value(&value).unwrap(), list);
        assert_eq!(
            serde_json::from_str::<Value>(&serde_json::to_string(&value).unwrap()).unwrap(),
            value
        );
    }

    #[test]
    fn a_value_of_a_newer_kind_costs_only_itself() {
        let list =
            json!({"t": "list", "items": [{"t": "hologram", "x": 1}, {"t": "none"}], "len": 2});
        let value: Value = serde_json::from_value(list).unwrap();
        let items = vec![Value::Unknown, Value::None];
        assert_eq!(value, Value::List { items, len: 2 });
    }

    #[test]
    fn content_is_read_where_there_is_some() {
        let plain = json!({"t": "object", "class": "A", "fields": {}, "len": null});
        let value: Value = serde_json::from_value(plain.clone()).unwrap();
        assert_eq!(serde_json::to_value(&value).unwrap(), plain);
    }
}
