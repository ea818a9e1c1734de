//! Facts about mappings: keys that are nearly the one asked for, and mappings that the program fills itself.

use super::super::context::Context;
use homeostasis_domain::Value;
use homeostasis_syntax::{Node, literal, place, scope};

fn keys(mapping: &Value) -> Option<Vec<Value>> {
    match mapping {
        Value::Dict { items, len } if items.len() as u64 == *len => {
            Some(items.iter().map(|(key, _)| key.clone()).collect())
        }
        _ => None,
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Str { v, .. } | Value::Int { v } | Value::Float { v } => {
            Some(v.trim().to_lowercase())
        }
        Value::Other { text, .. } => Some(text.trim().to_lowercase()),
        _ => None,
    }
}

/// No key of the captured mapping is the wanted one in another type, case or spacing. Mappings that were not
/// captured whole cannot tell.
pub(super) fn no_similar_key(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    let mapping = context.value(context.node(of?)?);
    let wanted = plain(&context.value(context.node("KEY")?)?)?;
    let keys = match &mapping {
        Some(value) => keys(value)?,
        None => return None,
    };
    (!keys.iter().filter_map(plain).any(|key| key == wanted)).then_some(())
}

/// No captured key of the mapping is nearly the wanted one: else either side may have misspelt it.
pub(super) fn no_close_key(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    let key = context.value(context.node("KEY")?)?;
    let wanted = key.as_str()?.to_string();
    let Some(Value::Dict { items, .. }) = context.value(context.node(of?)?) else {
        return Some(());
    };
    let close = items
        .iter()
        .filter_map(|(key, _)| key.as_str())
        .any(|key| super::names::near(key, &wanted));
    (!close).then_some(())
}

/// The mapping has the key as a number where text was given, or the other way round.
pub(super) fn key_of_other_type(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let mapping = context.value(context.node(of?)?)?;
    let node = context.node("KEY")?.clone();
    let wanted = context.value(&node)?;
    let found = keys(&mapping)?;
    // Every key must be of the other type, or the mapping mixes them on purpose.
    let converter = match &wanted {
        Value::Str { v, .. } => {
            let exists = found
                .iter()
                .any(|key| matches!(key, Value::Int { v: k } if k == v));
            let all = found.iter().all(|key| matches!(key, Value::Int { .. }));
            (exists && all).then_some("int")
        }
        Value::Int { v } => {
            let exists = found.iter().any(|key| key.as_str() == Some(v.as_str()));
            let all = found.iter().all(|key| key.as_str().is_some());
            (exists && all).then_some("str")
        }
        _ => None,
    }?;
    let text = node.text().into_owned();
    context.bind("CONVERTED", format!("{converter}({text})"));
    Some(())
}

/// `counts[key] += 1`, `groups[key].append(x)` where the mapping was created empty in this function.
pub(super) fn filled_from_empty(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let mapping = context.node(of?)?.clone();
    if mapping.kind() != "identifier" {
        return None;
    }
    let function = context.function()?;
    let bindings = scope::bindings_named(&function, &mapping.text());
    let [only] = bindings.as_slice() else {
        return None;
    };
    let created = only.value.as_ref()?;
    let empty = match created.kind().as_ref() {
        "dictionary" => created
            .named_children()
            .all(|child| child.kind() == "comment"),
        "call" => created.text() == "dict()",
        _ => false,
    };
    if !empty {
        return None;
    }
    let initial = initial_for(&context.failing)?;
    context.bind("INITIAL", initial);
    Some(())
}

/// What the use of the missing element tells about what it should have begun as.
fn initial_for(failing: &Node<'_>) -> Option<&'static str> {
    let parent = failing.parent()?;
    match parent.kind().as_ref() {
        "augmented_assignment" => {
            let operator = parent.field("operator")?.text().into_owned();
            let right = parent.field("right")?;
            match (operator.as_str(), right.kind().as_ref()) {
                ("+=", "string" | "concatenated_string") => Some("\"\""),
                ("+=", "list" | "list_comprehension") => Some("[]"),
                ("+=" | "-=", _) if is_numeric(&right) => Some("0"),
                _ => None,
            }
        }
        "attribute" => {
            let call = parent.parent().filter(|call| call.kind() == "call")?;
            // The result of the call must not be used, or the new element would be seen half made.
            place::statement(&call).filter(|statement| statement.range() == call.range())?;
            match parent.field("attribute")?.text().as_ref() {
                "append" | "extend" | "insert" => Some("[]"),
                "add" => Some("set()"),
                "update" => match call
                    .field("arguments")?
                    .named_children()
                    .next()?
                    .kind()
                    .as_ref()
                {
                    "dictionary" | "keyword_argument" => Some("{}"),
                    _ => None,
                },
                "setdefault" => Some("{}"),
                _ => None,
            }
        }
        // `nested[a][b] = value`
        "subscript" if super::reading::is_target(&parent) => {
            let assigned = place::statement(&parent)?;
            assigned
                .dfs()
                .any(|node| node.kind() == "assignment")
                .then_some("{}")
                .filter(|_| {
                    parent
                        .field("subscript")
                        .is_some_and(|key| literal::integer_value(&key).is_none())
                })
        }
        _ => None,
    }
}

/// True for an expression that is certainly a number by its own form.
fn is_numeric(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "integer" | "float" => true,
        "parenthesized_expression" | "unary_operator" => {
            node.named_children().all(|c| is_numeric(&c))
        }
        "binary_operator" => {
            let operator = node
                .field("operator")
                .map(|o| o.text().into_owned())
                .unwrap_or_default();
            match operator.as_str() {
                "*" | "-" | "/" | "//" => true,
                "+" => node.named_children().any(|c| is_numeric(&c)),
                _ => false,
            }
        }
        "call" => node.field("function").is_some_and(|f| {
            matches!(
                f.text().as_ref(),
                "len" | "int" | "float" | "abs" | "round" | "sum"
            )
        }),
        _ => false,
    }
}
