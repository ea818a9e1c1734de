//! Values of simple expressions, worked out from a frame's captured variables; it runs no code and guesses nothing.

use homeostasis_domain::Value;
use homeostasis_domain::capsule::Frame;
use homeostasis_syntax::{Node, literal};

/// The value of a name, attribute, subscript, literal, `len` or `sum`; `None` where it cannot be told for sure.
pub(crate) fn evaluate(node: &Node<'_>, frame: &Frame) -> Option<Value> {
    match node.kind().as_ref() {
        "identifier" => {
            let name = node.text();
            frame
                .locals
                .get(name.as_ref())
                .or_else(|| frame.globals.get(name.as_ref()))
                .cloned()
        }
        "none" => Some(Value::None),
        "true" => Some(Value::Bool { v: true }),
        "false" => Some(Value::Bool { v: false }),
        "integer" => literal::integer_value(node).map(|v| Value::Int { v: v.to_string() }),
        "float" => Some(Value::Float {
            v: node.text().into_owned(),
        }),
        "string" | "concatenated_string" => literal::string_value(node).map(|v| Value::Str {
            len: v.chars().count() as u64,
            v,
        }),
        "parenthesized_expression" => evaluate(
            &node.named_children().find(|c| c.kind() != "comment")?,
            frame,
        ),
        "attribute" => {
            let object = evaluate(&node.field("object")?, frame)?;
            match object {
                Value::Object { .. } => object.get(&node.field("attribute")?.text()),
                _ => None,
            }
        }
        "subscript" => subscript(node, frame),
        "call" => call(node, frame),
        "binary_operator" => arithmetic(node, frame),
        _ => None,
    }
}

fn subscript(node: &Node<'_>, frame: &Frame) -> Option<Value> {
    let object = evaluate(&node.field("value")?, frame)?;
    let key = evaluate(&node.field("subscript")?, frame)?;
    match (&object, &key) {
        (Value::Dict { items, .. }, _) => items
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone()),
        (Value::List { items, len } | Value::Tuple { items, len }, Value::Int { v }) => {
            let index: i64 = v.parse().ok()?;
            let index = if index < 0 {
                index + *len as i64
            } else {
                index
            };
            items.get(usize::try_from(index).ok()?).cloned()
        }
        _ => None,
    }
}

fn call(node: &Node<'_>, frame: &Frame) -> Option<Value> {
    let list = node.field("arguments")?;
    // `sum(x for x in y)` has the generator in the place of the list.
    let arguments: Vec<Node<'_>> = match list.kind().as_ref() {
        "generator_expression" => vec![list],
        _ => list.named_children().collect(),
    };
    let [argument] = arguments.as_slice() else {
        return None;
    };
    let callee = node.field("function")?.text().into_owned();
    let value = evaluate(argument, frame);
    match callee.as_str() {
        "len" => Some(Value::Int {
            v: value?.len()?.to_string(),
        }),
        // A sum over an empty sequence is 0 whatever is summed.
        "sum" => match argument.kind().as_ref() {
            "generator_expression" | "list_comprehension" => {
                let clause = argument
                    .named_children()
                    .find(|child| child.kind() == "for_in_clause")?;
                let iterable = evaluate(&clause.field("right")?, frame)?;
                iterable.is_empty().then(zero)
            }
            _ => match value? {
                empty if empty.is_empty() => Some(zero()),
                Value::List { items, len } | Value::Tuple { items, len }
                    if items.len() as u64 == len =>
                {
                    items.iter().all(is_zero).then(zero)
                }
                _ => None,
            },
        },
        _ => None,
    }
}

/// Products, sums and differences of whole numbers, and anything times zero.
fn arithmetic(node: &Node<'_>, frame: &Frame) -> Option<Value> {
    let left = evaluate(&node.field("left")?, frame)?;
    let right = evaluate(&node.field("right")?, frame)?;
    let (Value::Int { v: a } | Value::Float { v: a }, Value::Int { v: b } | Value::Float { v: b }) =
        (&left, &right)
    else {
        return None;
    };
    let operator = node.field("operator")?.text().into_owned();
    if operator == "*" && (is_zero(&left) || is_zero(&right)) {
        return Some(zero());
    }
    let (a, b): (i64, i64) = (a.parse().ok()?, b.parse().ok()?);
    let result = match operator.as_str() {
        "*" => a.checked_mul(b)?,
        "+" => a.checked_add(b)?,
        "-" => a.checked_sub(b)?,
        _ => return None,
    };
    Some(Value::Int {
        v: result.to_string(),
    })
}

fn zero() -> Value {
    Value::Int { v: "0".to_string() }
}

/// True for the number zero of any type.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Int { v } | Value::Float { v } => v.parse::<f64>() == Ok(0.0),
        Value::Bool { v } => !v,
        Value::Other { class, text } if class == "decimal.Decimal" => {
            text.parse::<f64>() == Ok(0.0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_syntax::Source;
    use serde_json::json;

    fn value_of(text: &str) -> Option<Value> {
        let frame: Frame = serde_json::from_value(json!({
            "file": "/a.py", "function": "f", "line": 1,
            "locals": {
                "rows": {"t": "list", "items": [], "len": 0},
                "cut": {"t": "list", "items": [{"t": "int", "v": "0"}], "len": 99},
                "d": {"t": "dict", "items": [[{"t": "str", "v": "k", "len": 1}, {"t": "none"}]], "len": 1},
                "o": {"t": "object", "class": "m.O", "fields": {"x": {"t": "int", "v": "4"}}}
            }
        }))
        .unwrap();
        let source = Source::python(text).unwrap();
        evaluate(&source.exactly(0..text.len()).unwrap(), &frame)
    }

    #[test]
    fn simple_expressions_are_evaluated_and_others_are_not() {
        assert_eq!(value_of("o.x").unwrap(), Value::Int { v: "4".into() });
        assert_eq!(value_of("d['k']").unwrap(), Value::None);
        assert!(is_zero(&value_of("len(rows)").unwrap()));
        assert!(is_zero(&value_of("sum(r.total for r in rows)").unwrap()));
        assert_eq!(value_of("sum(cut)"), None);
        assert_eq!(value_of("o.missing"), None);
        assert_eq!(value_of("unknown(rows)"), None);
    }
}
