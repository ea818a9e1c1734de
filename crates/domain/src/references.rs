//! Values that refer to each other, as values that stand for themselves: what a diagnosis reads. A cycle stays a reference.

use crate::capsule::Capsule;
use crate::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// References within references are followed no deeper.
const DEEPEST: usize = 12;

/// Values that are copied at most for one capsule; references beyond stay.
const MOST_COPIES: usize = 50_000;

/// The capsule with each reference in its exceptions replaced by a copy of what it refers to.
pub fn resolved(capsule: &Capsule) -> Cow<'_, Capsule> {
    let mut index = BTreeMap::new();
    for value in values(capsule) {
        collect(value, &mut index);
    }
    if index.is_empty() {
        return Cow::Borrowed(capsule);
    }
    let mut resolved = capsule.clone();
    let mut copying = Copying {
        index,
        within: Vec::new(),
        left: MOST_COPIES,
    };
    for exception in &mut resolved.exceptions {
        let frames = exception.frames.iter_mut();
        let maps = frames.flat_map(|frame| [&mut frame.locals, &mut frame.globals]);
        for map in maps.chain([&mut exception.attributes]) {
            for value in map.values_mut() {
                *value = copying.copy(value);
            }
        }
    }
    Cow::Owned(resolved)
}

fn values(capsule: &Capsule) -> impl Iterator<Item = &Value> {
    capsule.exceptions.iter().flat_map(|exception| {
        let frames = exception.frames.iter();
        let maps = frames.flat_map(|frame| [&frame.locals, &frame.globals]);
        maps.chain([&exception.attributes])
            .flat_map(|map| map.values())
    })
}

/// Values with a number. One that is there twice was told again because there was room for more of it: the larger counts.
fn collect(value: &Value, index: &mut BTreeMap<u64, Value>) {
    if let Value::Shared { id, value } = value {
        let larger = index.get(id).is_none_or(|known| size(known) < size(value));
        if larger {
            index.insert(*id, (**value).clone());
        }
    }
    each_inside(value, &mut |inner| collect(inner, index));
}

fn size(value: &Value) -> usize {
    let mut count = 1;
    each_inside(value, &mut |inner| count += size(inner));
    count
}

fn each_inside(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match value {
        Value::Shared { value, .. } => each_inside(value, visit),
        Value::List { items, .. }
        | Value::Tuple { items, .. }
        | Value::Set { items, .. }
        | Value::FrozenSet { items, .. } => items.iter().for_each(visit),
        Value::Dict { items, .. } => {
            for (key, item) in items {
                visit(key);
                visit(item);
            }
        }
        Value::Object {
            fields, content, ..
        } => {
            for field in fields.values() {
                if let Ok(field) = serde_json::from_value(field.clone()) {
                    visit(&field);
                }
            }
            if let Some(content) = content {
                visit(content);
            }
        }
        _ => {}
    }
}

struct Copying {
    index: BTreeMap<u64, Value>,
    within: Vec<u64>,
    left: usize,
}

impl Copying {
    fn copy(&mut self, value: &Value) -> Value {
        match value {
            Value::Shared { id, value } => self.inside(*id, |copying| copying.copy(value)),
            Value::Ref { id } => self.referred(*id).unwrap_or(Value::Ref { id: *id }),
            Value::List { items, len } => Value::List {
                items: self.copies(items),
                len: *len,
            },
            Value::Tuple { items, len } => Value::Tuple {
                items: self.copies(items),
                len: *len,
            },
            Value::Set { items, len } => Value::Set {
                items: self.copies(items),
                len: *len,
            },
            Value::FrozenSet { items, len } => Value::FrozenSet {
                items: self.copies(items),
                len: *len,
            },
            Value::Dict { items, len } => Value::Dict {
                items: items
                    .iter()
                    .map(|(key, item)| (self.copy(key), self.copy(item)))
                    .collect(),
                len: *len,
            },
            Value::Object {
                class,
                fields,
                len,
                content,
            } => Value::Object {
                class: class.clone(),
                fields: fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.field(field)))
                    .collect(),
                len: *len,
                content: content.as_ref().map(|content| Box::new(self.copy(content))),
            },
            other => other.clone(),
        }
    }

    fn copies(&mut self, items: &[Value]) -> Vec<Value> {
        items.iter().map(|item| self.copy(item)).collect()
    }

    fn field(&mut self, field: &serde_json::Value) -> serde_json::Value {
        let read = serde_json::from_value(field.clone());
        let copied = read.and_then(|value: Value| serde_json::to_value(self.copy(&value)));
        copied.unwrap_or_else(|_| field.clone())
    }

    /// A copy of what has this number; nothing within itself, or when it was copied too often.
    fn referred(&mut self, id: u64) -> Option<Value> {
        if self.within.contains(&id) || self.within.len() >= DEEPEST {
            return None;
        }
        let value = self.index.get(&id)?.clone();
        self.left = self.left.checked_sub(size(&value))?;
        Some(self.inside(id, |copying| copying.copy(&value)))
    }

    fn inside(&mut self, id: u64, work: impl FnOnce(&mut Self) -> Value) -> Value {
        self.within.push(id);
        let value = work(self);
        self.within.pop();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn capsule(locals: serde_json::Value) -> Capsule {
        let frame = json!({"file": "/a.py", "function": "f", "line": 1, "locals": locals});
        serde_json::from_value(json!({
            "schema": 1, "kind": "process", "process": {"pid": 1, "cwd": "/"},
            "exceptions": [{"type": "KeyError", "frames": [frame]}]}))
        .unwrap()
    }

    fn local(capsule: &Capsule, name: &str) -> serde_json::Value {
        serde_json::to_value(&capsule.exceptions[0].frames[0].locals[name]).unwrap()
    }

    #[test]
    fn a_reference_becomes_what_it_refers_to() {
        let row = json!({"t": "dict", "len": 0, "items": [], "id": 1});
        let object = json!({"t": "object", "class": "A", "fields": {"row": {"t": "ref", "id": 1}}, "len": null});
        let capsule =
            capsule(json!({"row": row, "again": {"t": "ref", "id": 1}, "object": object}));
        assert_eq!(local(&capsule, "row"), row);
        let resolved = resolved(&capsule);
        let plain = json!({"t": "dict", "len": 0, "items": []});
        assert_eq!(local(&resolved, "again"), plain);
        assert_eq!(local(&resolved, "row"), plain);
        assert_eq!(local(&resolved, "object")["fields"]["row"], plain);
    }

    #[test]
    fn a_cycle_ends_in_a_reference() {
        let list = json!({"t": "list", "len": 1, "items": [{"t": "ref", "id": 7}], "id": 7});
        let capsule = capsule(json!({"list": list, "other": {"t": "ref", "id": 8}}));
        let resolved = resolved(&capsule);
        assert_eq!(
            local(&resolved, "list"),
            json!({"t": "list", "len": 1, "items": [{"t": "ref", "id": 7}]})
        );
        assert_eq!(local(&resolved, "other"), json!({"t": "ref", "id": 8}));
    }

    #[test]
    fn many_references_to_large_values_end() {
        let mut locals = serde_json::Map::new();
        for id in 1..40 {
            let reference = json!({"t": "ref", "id": id + 1});
            let items = vec![reference; 10];
            locals.insert(
                format!("v{id}"),
                json!({"t": "list", "len": 10, "items": items, "id": id}),
            );
        }
        resolved(&capsule(locals.into()));
    }
}
