//! Facts about requests: whether what is missing was looked up by something that the client sent.

use super::super::context::Context;
use homeostasis_domain::Value;
use homeostasis_domain::capsule::Request;
use homeostasis_syntax::{Node, literal, place, scope};

/// `of` is None because a lookup by a key that the client sent found nothing.
pub(super) fn looked_up_for_client(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    context.capsule.request.as_ref()?;
    let lookup = producer(context, context.node(of?)?)?;
    if is_conversion(&lookup) || !is_lookup(&lookup) {
        return None;
    }
    let arguments = lookup.field("arguments")?;
    let mut nodes = vec![arguments];
    // `query.filter(Model.id == key).first()`: the key stands further in.
    nodes.extend(lookup.field("function"));
    nodes.extend(earlier_query(context, &lookup));
    nodes
        .iter()
        .any(|node| holds_client_value(context, node, 0))
        .then_some(())
}

/// `query = db.query(Model).filter(Model.id == key)`, and then `query.first()`: the call that the query's variable holds.
fn earlier_query<'t>(context: &Context<'t>, lookup: &Node<'t>) -> Option<Node<'t>> {
    const NARROWS: &[&str] = &["filter", "filter_by", "where"];
    let query = lookup.field("function")?.field("object")?;
    if query.kind() != "identifier" {
        return None;
    }
    let bindings = scope::bindings_named(&context.scope(), &query.text());
    let [only] = bindings.as_slice() else {
        return None;
    };
    let made = only.value.clone().filter(|made| made.kind() == "call")?;
    let method = made.field("function")?.field("attribute")?;
    NARROWS.contains(&method.text().as_ref()).then_some(made)
}

/// `of` is None because a regular expression did not match text that the client sent.
pub(super) fn matched_client_text(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    context.capsule.request.as_ref()?;
    let call = producer(context, context.node(of?)?)?;
    let name = call.field("function")?.text().into_owned();
    let last = name.rsplit('.').next()?;
    if !["match", "fullmatch", "search"].contains(&last) {
        return None;
    }
    holds_client_value(context, &call.field("arguments")?, 0).then_some(())
}

/// The call that gave the value: the expression itself, or what its variable was last bound to.
fn producer<'t>(context: &Context<'t>, node: &Node<'t>) -> Option<Node<'t>> {
    let mut found = node.clone();
    if found.kind() == "identifier" {
        let binding = scope::binding_before(
            &context.scope(),
            &found.text(),
            context.failing.range().start,
        )?;
        if !matches!(
            binding.kind,
            scope::BindingKind::Assignment | scope::BindingKind::Walrus
        ) {
            return None;
        }
        found = binding.value?;
    }
    while matches!(found.kind().as_ref(), "await" | "parenthesized_expression") {
        let inner = found.named_children().next();
        found = inner?;
    }
    Some(found).filter(|found| found.kind() == "call")
}

/// A call whose name says that it looks something up, and not whether somebody may do something: who is not known is
/// another answer than what does not exist. A function that makes something and gives back nothing is broken itself.
fn is_lookup(call: &Node<'_>) -> bool {
    const LOOKS_UP: &[&str] = &[
        "get", "find", "fetch", "fetchone", "load", "lookup", "first", "one", "scalar", "select",
        "search", "read", "retrieve", "next", "query", "by", "filter", "pick", "locate",
    ];
    const KNOWS_WHO: &[&str] = &[
        "auth",
        "authenticate",
        "login",
        "token",
        "session",
        "current",
        "password",
        "credentials",
        "permission",
        "api",
        "secret",
        "verify",
        "check",
    ];
    let Some(callee) = call.field("function") else {
        return false;
    };
    let text = callee.text();
    let name = text
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    let arguments = call
        .field("arguments")
        .map(|a| a.text().to_ascii_lowercase())
        .unwrap_or_default();
    let secret = [
        "token",
        "password",
        "secret",
        "api_key",
        "authorization",
        "cookie",
    ];
    has(LOOKS_UP) && !has(KNOWS_WHO) && !secret.iter().any(|word| arguments.contains(word))
}

/// Calls that turn a value into another are no lookups, and neither is reading a part of the request.
fn is_conversion(call: &Node<'_>) -> bool {
    let Some(callee) = call.field("function") else {
        return true;
    };
    let text = callee.text();
    let last = text.rsplit('.').next().unwrap_or_default();
    text.starts_with("request.")
        || super::super::purity::is_parser(&text)
        || [
            "json",
            "loads",
            "strip",
            "getattr",
            "match",
            "search",
            "fullmatch",
        ]
        .contains(&last)
}

/// Whether something below the node was sent by the client.
fn holds_client_value(context: &Context<'_>, node: &Node<'_>, depth: u32) -> bool {
    node.dfs()
        .any(|inner| is_client_value(context, &inner, depth))
}

/// Whether the client sent this very value, as it is or read as a number. What was looked up by it was not sent: the
/// customer of an order is the program's own.
fn is_client_value(context: &Context<'_>, node: &Node<'_>, depth: u32) -> bool {
    if depth > 6 {
        return false;
    }
    let by_diagnosis = context.operand(node).is_some_and(|operand| {
        operand.origin.is_client() && operand.start_byte == node.range().start
    });
    if by_diagnosis {
        return true;
    }
    let inner = |field: &str| {
        node.field(field)
            .is_some_and(|inner| is_client_value(context, &inner, depth + 1))
    };
    match node.kind().as_ref() {
        "identifier" => scope::stands_for_a_name(node) && is_client_name(context, node, depth),
        "attribute" => is_request_part(node) || inner("object"),
        "subscript" => inner("value"),
        "await" | "parenthesized_expression" => node
            .named_children()
            .any(|child| is_client_value(context, &child, depth + 1)),
        "boolean_operator" => inner("left") || inner("right"),
        "call" => {
            let Some(callee) = node.field("function") else {
                return false;
            };
            let text = callee.text();
            // A method of what the client sent (`.get`, `.strip`), or a conversion of it.
            if callee.kind() == "attribute"
                && callee
                    .field("object")
                    .is_some_and(|object| is_client_value(context, &object, depth + 1))
            {
                return true;
            }
            let converts = super::super::purity::is_parser(&text) || text == "str";
            is_request_part(&callee)
                || converts
                    && node.field("arguments").is_some_and(|arguments| {
                        arguments
                            .named_children()
                            .any(|argument| is_client_value(context, &argument, depth + 1))
                    })
        }
        _ => false,
    }
}

/// `request.args`, `request.json`, `request.query_params` ...: parts of a request that the client decides.
fn is_request_part(node: &Node<'_>) -> bool {
    const PARTS: &[&str] = &[
        "args",
        "json",
        "form",
        "values",
        "view_args",
        "get_json",
        "query_params",
        "path_params",
        "data",
        "get_data",
        "GET",
        "POST",
    ];
    node.field("object")
        .is_some_and(|object| object.text() == "request")
        && node
            .field("attribute")
            .is_some_and(|name| PARTS.contains(&name.text().as_ref()))
}

fn is_client_name(context: &Context<'_>, name: &Node<'_>, depth: u32) -> bool {
    let Some(function) = place::function(name) else {
        return false;
    };
    let text = name.text();
    let before = scope::binding_before(&function, &text, name.range().start);
    if let Some(binding) = before {
        return binding
            .value
            .is_some_and(|value| is_client_value(context, &value, depth + 1));
    }
    let is_parameter = scope::parameters(&function)
        .iter()
        .any(|parameter| parameter.name == text && !is_injected(parameter));
    if !is_parameter {
        return false;
    }
    is_route_parameter(&function, &text) || was_sent(context, &text)
}

/// What FastAPI injects (`= Depends(...)`) is not sent by the client.
fn is_injected(parameter: &scope::Parameter<'_>) -> bool {
    let names =
        |node: &Node<'_>| node.text().contains("Depends(") || node.text().contains("Security(");
    parameter.default.as_ref().is_some_and(&names)
        || parameter.annotation.as_ref().is_some_and(&names)
}

/// True when a decorator's path has the parameter: `<int:order_id>` or `{order_id}`.
pub(super) fn is_route_parameter(function: &Node<'_>, name: &str) -> bool {
    scope::decorators(function).iter().any(|decorator| {
        decorator
            .dfs()
            .filter_map(|node| literal::string_value(&node))
            .any(|path| {
                path.contains(&format!("<{name}>"))
                    || path.contains(&format!(":{name}>"))
                    || path.contains(&format!("{{{name}}}"))
                    || path.contains(&format!("{{{name}:"))
            })
    })
}

/// True when the parameter's value is a segment of the path or a value of the query string of the failing request.
fn was_sent(context: &Context<'_>, name: &str) -> bool {
    let (Some(request), Some(frame)) = (&context.capsule.request, context.frame()) else {
        return false;
    };
    let Some(value) = frame.locals.get(name) else {
        return false;
    };
    // A small number equals a segment of the path by chance; the view must have it under the same name.
    let mut outer = context
        .capsule
        .exceptions
        .iter()
        .flat_map(|exception| exception.frames.iter())
        .filter(|other| other.in_app && !std::ptr::eq(*other, frame))
        .peekable();
    let handed_down = outer.peek().is_none()
        || outer.any(|other| {
            other.arguments.iter().any(|argument| argument == name)
                && other.locals.get(name) == Some(value)
        });
    handed_down && is_part_of(request, value)
}

fn is_part_of(request: &Request, value: &Value) -> bool {
    let text = match value {
        Value::Str { v, .. } => v.clone(),
        // Small numbers turn up by chance.
        Value::Int { v } => v.clone(),
        Value::Other { text, .. } => text.clone(),
        _ => return false,
    };
    !text.is_empty()
        && (request.path.split('/').any(|segment| segment == text)
            || request
                .query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .any(|(_, value)| value == text))
}

/// The name under which the client sent a value.
pub(super) fn client_field(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let node = context.node(of?)?.clone();
    let field = field_of(&node, 0)?;
    context.bind("FIELD", field);
    Some(())
}

fn field_of(node: &Node<'_>, depth: u32) -> Option<String> {
    if depth > 6 {
        return None;
    }
    match node.kind().as_ref() {
        "subscript" => {
            let key = node.field("subscript")?;
            literal::string_value(&key).or_else(|| field_of(&node.field("value")?, depth + 1))
        }
        "call" => {
            let callee = node.field("function")?;
            let first = node
                .field("arguments")
                .and_then(|arguments| arguments.named_children().next());
            if callee.kind() == "attribute" {
                let method = callee.field("attribute")?.text().into_owned();
                if matches!(method.as_str(), "get" | "getlist" | "pop") {
                    return literal::string_value(&first?);
                }
                if matches!(method.as_str(), "json" | "get_json" | "get_data" | "body") {
                    return Some("body".to_string());
                }
                return field_of(&callee.field("object")?, depth + 1);
            }
            field_of(&first?, depth + 1)
        }
        "await" | "parenthesized_expression" | "boolean_operator" => {
            field_of(&node.named_children().next()?, depth + 1)
        }
        "attribute" if node.field("object")?.text() == "request" => Some("body".to_string()),
        "attribute" => Some(node.field("attribute")?.text().into_owned()),
        "identifier" => {
            let name = node.text().into_owned();
            let scope = place::function(node)?;
            let inner = place::deferred(node).and_then(|outer| {
                scope::bindings(&outer)
                    .into_iter()
                    .find(|binding| binding.name == name)
            });
            let binding =
                inner.or_else(|| scope::binding_before(&scope, &name, node.range().start));
            let value = binding.and_then(|binding| binding.value);
            // What was made of several values has the variable's name.
            value
                .filter(|value| value.range() != node.range())
                .and_then(|value| field_of(&value, depth + 1))
                .or(Some(name))
        }
        _ => None,
    }
}
