//! The value an expression had, read from captured values; it computes only what cannot run the program's code.

use crate::origin::request;
use homeostasis_domain::capsule::{Frame, Request};
use homeostasis_domain::value::Value;
use homeostasis_syntax::{Node, literal};

/// Expressions nested deeper than this are not followed.
const DEEPEST: usize = 40;

/// What values are read from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The frame the expression was evaluated in.
    pub frame: &'a Frame,
    /// The request that was being answered.
    pub request: Option<&'a Request>,
}

/// The value of the expression in this frame, as far as the capsule tells.
///
/// Values are those at the instant of the failure: a name that was bound again since an earlier statement has its last
/// value, which is the right one for the failing expression itself. `None` means that it could not be told.
pub fn evaluate(node: &Node<'_>, known: &Known<'_>) -> Option<Value> {
    value_of(node, known, DEEPEST)
}

fn value_of(node: &Node<'_>, known: &Known<'_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match node.kind().as_ref() {
        "none" => Some(Value::None),
        "true" => Some(Value::Bool { v: true }),
        "false" => Some(Value::Bool { v: false }),
        "integer" => literal::integer_value(node).map(|number| Value::Int {
            v: number.to_string(),
        }),
        "float" => Some(Value::Float {
            v: node.text().into_owned(),
        }),
        "string" | "concatenated_string" => {
            literal::string_value(node).map(|text| crate::message::string(&text))
        }
        "identifier" => {
            let name = node.text();
            known
                .frame
                .locals
                .get(name.as_ref())
                .or_else(|| known.frame.globals.get(name.as_ref()))
                .cloned()
        }
        "parenthesized_expression" => value_of(&node.named_children().next()?, known, depth),
        "named_expression" => value_of(&node.field("name")?, known, depth),
        "attribute" => {
            if let Some(member) = of_request(node, known) {
                return request::member(known.request?, &member);
            }
            attribute(
                &value_of(&node.field("object")?, known, depth)?,
                &node.field("attribute")?.text(),
            )
        }
        "await" => value_of(&node.named_children().next()?, known, depth),
        "subscript" => {
            let object = value_of(&node.field("value")?, known, depth)?;
            let key = value_of(&only(node.field_children("subscript"))?, known, depth)?;
            match lookup(&object, &key) {
                Lookup::Found(value) => Some(value),
                Lookup::Missing | Lookup::Unknown => None,
            }
        }
        "unary_operator" => {
            let operand = number(&value_of(&node.field("argument")?, known, depth)?)?;
            match node.field("operator")?.text().as_ref() {
                "-" => Some(operand.negated()),
                "+" => Some(operand.value()),
                _ => None,
            }
        }
        "binary_operator" => {
            let left = value_of(&node.field("left")?, known, depth)?;
            let right = value_of(&node.field("right")?, known, depth)?;
            let operator = node.field("operator")?;
            match (&left, &right) {
                (Value::Str { v: a, .. }, Value::Str { v: b, .. })
                    if operator.text() == "+" && whole(&left) && whole(&right) =>
                {
                    Some(crate::message::string(&format!("{a}{b}")))
                }
                _ => arithmetic(&operator.text(), number(&left)?, number(&right)?),
            }
        }
        "list" | "tuple" => {
            let items: Vec<Value> = node
                .named_children()
                .filter(|child| child.kind() != "comment")
                .take(50)
                .map(|child| value_of(&child, known, depth))
                .collect::<Option<_>>()?;
            let len = items.len() as u64;
            Some(if node.kind() == "list" {
                Value::List { items, len }
            } else {
                Value::Tuple { items, len }
            })
        }
        "call" => call(node, known, depth),
        _ => None,
    }
}

/// True for a text that was captured to its end, and is not long.
fn whole(value: &Value) -> bool {
    matches!(value, Value::Str { v, len } if v.len() <= 10_000 && v.chars().count() as u64 == *len)
}

/// What looking something up in a captured container gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// It was there.
    Found(Value),
    /// It was certainly not there.
    Missing,
    /// The container was cut, or is of a kind that cannot be looked into.
    Unknown,
}

/// Looks a key or position up as Python would.
pub fn lookup(container: &Value, key: &Value) -> Lookup {
    match container {
        Value::Dict { items, len } => match items.iter().find(|(known, _)| equal(known, key)) {
            Some((_, value)) => Lookup::Found(value.clone()),
            None if items.len() as u64 == *len && is_plain(key) => Lookup::Missing,
            None => Lookup::Unknown,
        },
        Value::List { items, len } | Value::Tuple { items, len } => match position(key, *len) {
            Some(Some(index)) => items
                .get(index)
                .cloned()
                .map_or(Lookup::Unknown, Lookup::Found),
            Some(None) => Lookup::Missing,
            None => Lookup::Unknown,
        },
        Value::Str { v, len } => match position(key, *len) {
            Some(Some(index)) => v.chars().nth(index).map_or(Lookup::Unknown, |letter| {
                Lookup::Found(crate::message::string(letter.encode_utf8(&mut [0; 4])))
            }),
            Some(None) => Lookup::Missing,
            None => Lookup::Unknown,
        },
        _ => Lookup::Unknown,
    }
}

/// The position an integer names in a sequence of this length: `None` for no integer, `Some(None)` for one outside.
fn position(key: &Value, len: u64) -> Option<Option<usize>> {
    let Value::Int { v } = key else {
        return None;
    };
    let index: i128 = v.parse().ok()?;
    let len = i128::from(len);
    let from_start = if index < 0 { index + len } else { index };
    Some(
        (0..len)
            .contains(&from_start)
            .then_some(from_start as usize),
    )
}

fn is_plain(value: &Value) -> bool {
    matches!(
        value,
        Value::None
            | Value::Bool { .. }
            | Value::Int { .. }
            | Value::Float { .. }
            | Value::Str { .. }
    )
}

/// Equality as Python has it between plain values; cut texts are equal to nothing.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Str { v: x, len: n }, Value::Str { v: y, len: m }) => {
            n == m && x == y && x.chars().count() as u64 == *n
        }
        (Value::Tuple { items: x, len: n }, Value::Tuple { items: y, len: m }) => {
            n == m && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y))
        }
        _ => match (number(a), number(b)) {
            (Some(x), Some(y)) => x.equals(&y),
            _ => {
                a == b
                    && !matches!(
                        a,
                        Value::Cut { .. } | Value::Redacted { .. } | Value::Object { .. }
                    )
            }
        },
    }
}

/// The member of a framework's request object that an attribute names (`args` of `request.args`), when its object is one.
fn of_request(attribute: &Node<'_>, known: &Known<'_>) -> Option<String> {
    known.request?;
    let object = attribute
        .field("object")
        .filter(|object| object.kind() == "identifier")?;
    let name = object.text();
    let is_one = match known.frame.locals.get(name.as_ref()) {
        Some(Value::Object { class, .. } | Value::Cut { class, .. }) => {
            class.ends_with("Request")
                && ["starlette.", "fastapi.", "django.", "werkzeug.", "flask."]
                    .iter()
                    .any(|start| class.starts_with(start))
        }
        Some(_) => false,
        None => name == "request" && !known.frame.globals.contains_key("request"),
    };
    is_one
        .then(|| {
            attribute
                .field("attribute")
                .map(|member| member.text().into_owned())
        })
        .flatten()
}

fn attribute(object: &Value, name: &str) -> Option<Value> {
    match object {
        Value::Object { .. } => object.get(name),
        _ => None,
    }
}

fn call(node: &Node<'_>, known: &Known<'_>, depth: usize) -> Option<Value> {
    let function = node.field("function")?;
    let arguments: Vec<Node<'_>> = node
        .field("arguments")?
        .named_children()
        .filter(|child| child.kind() != "comment")
        .take(4)
        .collect();
    match function.kind().as_ref() {
        "identifier" if !known.frame.locals.contains_key(function.text().as_ref()) => {
            let argument = value_of(
                arguments.first().filter(|_| arguments.len() == 1)?,
                known,
                depth,
            )?;
            match function.text().as_ref() {
                "len" => argument.len().map(|len| Value::Int { v: len.to_string() }),
                "str" => match &argument {
                    Value::Str { .. } => Some(argument),
                    Value::Int { v } | Value::Float { v } => Some(crate::message::string(v)),
                    _ => None,
                },
                "sum" => sum(&argument),
                "list" => match argument {
                    Value::Tuple { items, len } => Some(Value::List { items, len }),
                    Value::List { .. } => Some(argument),
                    _ => None,
                },
                _ => None,
            }
        }
        "attribute" => {
            if let Some(member) = of_request(&function, known) {
                let reads = matches!(member.as_str(), "get_json" | "json" | "form");
                return reads
                    .then(|| request::member(known.request?, &member))
                    .flatten();
            }
            let object = value_of(&function.field("object")?, known, depth)?;
            method(
                &object,
                &function.field("attribute")?.text(),
                &arguments,
                known,
                depth,
            )
        }
        _ => None,
    }
}

/// Methods of built-in types that only read.
fn method(
    object: &Value,
    name: &str,
    arguments: &[Node<'_>],
    known: &Known<'_>,
    depth: usize,
) -> Option<Value> {
    match (object, name, arguments) {
        (Value::Dict { .. }, "get", [key, rest @ ..]) => {
            let key = value_of(key, known, depth)?;
            match lookup(object, &key) {
                Lookup::Found(value) => Some(value),
                Lookup::Missing => match rest.first() {
                    Some(default) => value_of(default, known, depth),
                    None => Some(Value::None),
                },
                Lookup::Unknown => None,
            }
        }
        (Value::Str { v, len }, _, []) if v.chars().count() as u64 == *len => match name {
            "strip" => Some(crate::message::string(v.trim())),
            "lower" => Some(crate::message::string(&v.to_lowercase())),
            "upper" => Some(crate::message::string(&v.to_uppercase())),
            "split" => {
                let items: Vec<Value> = v.split_whitespace().map(crate::message::string).collect();
                let len = items.len() as u64;
                Some(Value::List { items, len })
            }
            _ => None,
        },
        (Value::Str { v, len }, "split", [separator]) if v.chars().count() as u64 == *len => {
            let separator = value_of(separator, known, depth)?;
            let separator = separator.as_str().filter(|text| !text.is_empty())?;
            let items: Vec<Value> = v.split(separator).map(crate::message::string).collect();
            let len = items.len() as u64;
            Some(Value::List { items, len })
        }
        _ => None,
    }
}

fn sum(value: &Value) -> Option<Value> {
    let (Value::List { items, len } | Value::Tuple { items, len }) = value else {
        return None;
    };
    if items.len() as u64 != *len {
        return None;
    }
    let mut total = Number::Int(0);
    for item in items {
        total = number(&arithmetic("+", total, number(item)?)?)?;
    }
    Some(total.value())
}

#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn value(self) -> Value {
        match self {
            Number::Int(v) => Value::Int { v: v.to_string() },
            Number::Float(v) => Value::Float {
                v: format!("{v:?}"),
            },
        }
    }

    fn negated(self) -> Value {
        match self {
            Number::Int(v) => Number::Int(v.wrapping_neg()).value(),
            Number::Float(v) => Number::Float(-v).value(),
        }
    }

    fn real(self) -> f64 {
        match self {
            Number::Int(v) => v as f64,
            Number::Float(v) => v,
        }
    }

    fn equals(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a == b,
            _ => self.real() == other.real(),
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Bool { v } => Some(Number::Int(i128::from(*v))),
        Value::Int { v } => v.parse().ok().map(Number::Int),
        Value::Float { v } => v.replace('_', "").parse().ok().map(Number::Float),
        _ => None,
    }
}

/// True for a number that is zero, of any kind whose text tells.
pub fn is_zero(value: &Value) -> Option<bool> {
    match value {
        Value::Other { class, text }
            if class == "decimal.Decimal" || class == "fractions.Fraction" =>
        {
            Some(text.parse::<f64>().ok()? == 0.0)
        }
        Value::Other { class, text } if class == "datetime.timedelta" => Some(text == "0:00:00"),
        _ => number(value).map(|number| number.real() == 0.0),
    }
}

fn arithmetic(operator: &str, left: Number, right: Number) -> Option<Value> {
    if let (Number::Int(a), Number::Int(b)) = (left, right) {
        let exact = match operator {
            "+" => a.checked_add(b),
            "-" => a.checked_sub(b),
            "*" => a.checked_mul(b),
            "//" => (b != 0).then(|| floor_divide(a, b)).flatten(),
            "%" => (b != 0)
                .then(|| a.checked_sub(floor_divide(a, b)?.checked_mul(b)?))
                .flatten(),
            "/" if b != 0 => return Some(Number::Float(a as f64 / b as f64).value()),
            _ => None,
        };
        return exact.map(|number| Number::Int(number).value());
    }
    let (a, b) = (left.real(), right.real());
    match operator {
        "+" => Some(Number::Float(a + b).value()),
        "-" => Some(Number::Float(a - b).value()),
        "*" => Some(Number::Float(a * b).value()),
        "/" if b != 0.0 => Some(Number::Float(a / b).value()),
        _ => None,
    }
}

fn floor_divide(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let exact = quotient.checked_mul(b)? == a;
    if exact || (a < 0) == (b < 0) {
        Some(quotient)
    } else {
        quotient.checked_sub(1)
    }
}

fn only<'t>(mut nodes: impl Iterator<Item = Node<'t>>) -> Option<Node<'t>> {
    let first = nodes.next()?;
    nodes.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_syntax::Source;

    fn check(expression: &str, expected: Option<&str>) {
        let frame: Frame = serde_json::from_str(
            r#"{"file":"/a.py","function":"f","line":1,
                "locals":{
                  "d":{"t":"dict","items":[[{"t":"str","v":"a","len":1},{"t":"int","v":"3"}]],"len":1},
                  "cut":{"t":"dict","items":[[{"t":"str","v":"a","len":1},{"t":"int","v":"3"}]],"len":9},
                  "xs":{"t":"list","items":[{"t":"int","v":"7"},{"t":"int","v":"8"}],"len":2},
                  "o":{"t":"object","class":"m.O","fields":{"n":{"t":"none"},"p":{"t":"object","class":"m.P","fields":{"q":{"t":"int","v":"5"}}}}},
                  "s":{"t":"str","v":" a,b ","len":5}},
                "globals":{"RATE":{"t":"float","v":"0.5"}}}"#,
        )
        .unwrap();
        let source = Source::python(expression).unwrap();
        let node = source.exactly(0..expression.len()).unwrap();
        let known = Known {
            frame: &frame,
            request: None,
        };
        let found = evaluate(&node, &known).map(|value| value.display(80));
        assert_eq!(found.as_deref(), expected, "{expression}");
    }

    #[test]
    fn values_are_read_from_the_capsule() {
        check("d['a']", Some("3"));
        check("d.get('z')", Some("None"));
        check("d.get('z', 4)", Some("4"));
        check("d['z']", None);
        check("cut.get('z')", None);
        check("xs[-1]", Some("8"));
        check("xs[2]", None);
        check("len(xs) - 2", Some("0"));
        check("sum(xs)", Some("15"));
        check("o.n", Some("None"));
        check("o.p.q + d['a']", Some("8"));
        check("RATE * 4", Some("2.0"));
        check("s.strip().split(',')[1]", Some("\"b\""));
        check("unknown()", None);
        check("(-7) // 2", Some("-4"));
        check("(-7) % 2", Some("1"));
    }
}
