//! Values as an agent saw them: typed, bounded, never code. The format is in `lib/protocol/README.md`, "Values".

use serde::{Deserialize, Serialize};

/// A captured value. Where `len` is larger than what is there, the rest was cut by the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Value {
    /// The absent value of the language (`None`, `null`, `nil`).
    None,
    /// A boolean.
    Bool {
        /// The value.
        v: bool,
    },
    /// An integer of any size, as decimal text.
    Int {
        /// Decimal text.
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
    },
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
            | Value::Cut { class } => class,
            Value::Redacted { kind, .. } => kind,
        }
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str { v, .. } => Some(v),
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
            Value::Cut { class } => format!("<{class}, not captured>"),
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
