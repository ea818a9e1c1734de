//! Facts about arguments and operands: calls that disagree with the definition, and text where a number is meant.

use super::super::context::Captured;
use super::super::context::Context;
use homeostasis_domain::Value;
use homeostasis_syntax::scope::{Parameter, ParameterKind};
use homeostasis_syntax::{Node, place, scope};
use std::collections::BTreeSet;

/// The value is text that reads as a number; binds the conversion.
pub(super) fn numeric_text(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let node = context.node(of?)?.clone();
    let value = context.value(&node)?;
    let text = value.as_str()?.trim().to_string();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let converter = if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
        "int"
    } else if text.parse::<f64>().is_ok_and(f64::is_finite) {
        "float"
    } else {
        return None;
    };
    context.bind("CONVERTED", format!("{converter}({})", node.text()));
    Some(())
}

/// The failing expression takes a number and nothing else: `range(x)`, or a position in a list.
pub(super) fn number_needed(context: &Context<'_>) -> Option<()> {
    let failing = &context.failing;
    match failing.kind().as_ref() {
        "call" => (failing.field("function")?.text() == "range").then_some(()),
        "subscript" => match context.value(&failing.field("value")?)? {
            Value::List { .. } | Value::Tuple { .. } => Some(()),
            _ => None,
        },
        _ => None,
    }
}

/// A text is written out somewhere in the sum, so its result is meant to be text.
pub(super) fn sum_of_text(context: &Context<'_>) -> Option<()> {
    let mut whole = context.failing.clone();
    while let Some(parent) = whole.parent().filter(|parent| is_sum(parent)) {
        whole = parent;
    }
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        match part.kind().as_ref() {
            "string" | "concatenated_string" => return Some(()),
            "binary_operator" if is_sum(&part) => {
                parts.extend([part.field("left")?, part.field("right")?])
            }
            _ => {}
        }
    }
    None
}

fn is_sum(node: &Node<'_>) -> bool {
    node.kind() == "binary_operator"
        && node
            .field("operator")
            .is_some_and(|operator| operator.text() == "+")
}

/// The call disagrees with its definition in one way, and one correction is evident.
pub(super) fn correction(context: &mut Context<'_>) -> Option<()> {
    let call = context.failing.clone();
    if call.kind() != "call" {
        return None;
    }
    let callee = call.field("function")?;
    let target = definition(context, &callee)?;
    let parameters = accepted(&target);
    if parameters
        .iter()
        .any(|p| matches!(p.kind, ParameterKind::Star | ParameterKind::DoubleStar))
    {
        return None;
    }
    let list = call
        .field("arguments")
        .filter(|list| list.kind() == "argument_list")?;
    let arguments: Vec<Node<'_>> = list
        .named_children()
        .filter(|child| child.kind() != "comment")
        .collect();
    if arguments
        .iter()
        .any(|argument| matches!(argument.kind().as_ref(), "list_splat" | "dictionary_splat"))
    {
        return None;
    }
    let corrected = renamed_keyword(&parameters, &arguments)
        .or_else(|| missing_argument(context, &parameters, &arguments))
        .or_else(|| surplus_argument(&parameters, &arguments))?;
    context.bind(
        "CORRECTED",
        format!("{}({})", callee.text(), corrected.join(", ")),
    );
    Some(())
}

/// One required argument is missing, and every other call in this file, at least two, gives the same expression for it,
/// made of names that are at hand here too.
pub(super) fn like_others(context: &mut Context<'_>) -> Option<()> {
    let call = context.failing.clone();
    let callee = (call.kind() == "call")
        .then(|| call.field("function"))
        .flatten()?;
    let target = definition(context, &callee)?;
    let parameters = accepted(&target);
    let arguments = plain_arguments(&call)?;
    let missing = missing(&parameters, &arguments);
    let [only] = missing.as_slice() else {
        return None;
    };
    let position = parameters.iter().position(|p| p.name == only.name)?;
    if position != arguments.len() || arguments.iter().any(|argument| keyword(argument).is_some()) {
        return None;
    }
    let mut given = Vec::new();
    for other in context
        .source
        .root()
        .dfs()
        .filter(|node| node.kind() == "call" && node.range() != call.range())
    {
        if other
            .field("function")
            .is_none_or(|f| f.text() != callee.text())
        {
            continue;
        }
        let others = plain_arguments(&other)?;
        let argument = others
            .iter()
            .find(|argument| keyword(argument).as_deref() == Some(only.name.as_str()))
            .and_then(|argument| argument.field("value"))
            .or_else(|| others.get(position).cloned())?;
        given.push(argument);
    }
    let first = given.first()?.clone();
    if given.len() < 2
        || given.iter().any(|argument| argument.text() != first.text())
        || !super::super::purity::is_repeatable(&first)
    {
        return None;
    }
    let local = scope::local_names(&context.function()?);
    let module = scope::module_names(context.source);
    let same_function = |node: &Node<'_>| place::function(node).map(|f| f.range());
    let here = same_function(&call);
    for name in scope::names_in(&first) {
        let text = name.text().into_owned();
        let is_same =
            given.iter().any(|argument| same_function(argument) == here) || module.contains(&text);
        if !(local.contains(&text) || module.contains(&text)) || !is_same {
            return None;
        }
    }
    let mut texts: Vec<String> = arguments
        .iter()
        .map(|argument| argument.text().into_owned())
        .collect();
    texts.push(first.text().into_owned());
    context.bind(
        "CORRECTED",
        format!("{}({})", callee.text(), texts.join(", ")),
    );
    Some(())
}

/// The arguments of a call without stars.
fn plain_arguments<'t>(call: &Node<'t>) -> Option<Vec<Node<'t>>> {
    let list = call
        .field("arguments")
        .filter(|list| list.kind() == "argument_list")?;
    let arguments: Vec<Node<'t>> = list
        .named_children()
        .filter(|child| child.kind() != "comment")
        .collect();
    arguments
        .iter()
        .all(|argument| !matches!(argument.kind().as_ref(), "list_splat" | "dictionary_splat"))
        .then_some(arguments)
}

/// The one function of the program that this callee can mean.
fn definition<'t>(context: &Context<'t>, callee: &Node<'t>) -> Option<Node<'t>> {
    let name = match callee.kind().as_ref() {
        "identifier" => callee.text().into_owned(),
        "attribute" => callee.field("attribute")?.text().into_owned(),
        _ => return None,
    };
    let mut found: Vec<Node<'t>> = Vec::new();
    for source in context.sources.values() {
        for (_, node) in place::definitions(source) {
            if node.field("name").is_none_or(|n| n.text() != name) {
                continue;
            }
            if node.kind() == "class_definition" {
                let constructor = node.field("body")?.dfs().find(|inner| {
                    inner.kind() == "function_definition"
                        && inner.field("name").is_some_and(|n| n.text() == "__init__")
                        && place::class_of_method(inner)
                            .is_some_and(|class| class.range() == node.range())
                })?;
                found.push(constructor);
            } else {
                found.push(node);
            }
        }
    }
    let [only] = found.as_slice() else {
        return None;
    };
    // A decorator may change what the function takes.
    if scope::decorators(only)
        .iter()
        .any(|d| !matches!(d.text().as_ref(), "staticmethod" | "classmethod"))
    {
        return None;
    }
    Some(only.clone())
}

/// The parameters that a caller fills in.
fn accepted<'t>(function: &Node<'t>) -> Vec<Parameter<'t>> {
    let mut parameters = scope::parameters(function);
    let is_static = scope::decorators(function)
        .iter()
        .any(|d| d.text() == "staticmethod");
    if place::class_of_method(function).is_some() && !is_static && !parameters.is_empty() {
        parameters.remove(0);
    }
    parameters
}

fn keyword(argument: &Node<'_>) -> Option<String> {
    (argument.kind() == "keyword_argument")
        .then(|| argument.field("name").map(|name| name.text().into_owned()))
        .flatten()
}

/// One keyword that the definition does not have, and one required parameter that is not given: they are the same.
fn renamed_keyword(parameters: &[Parameter<'_>], arguments: &[Node<'_>]) -> Option<Vec<String>> {
    let unknown: Vec<&Node<'_>> = arguments
        .iter()
        .filter(|argument| {
            keyword(argument).is_some_and(|name| parameters.iter().all(|p| p.name != name))
        })
        .collect();
    let [unknown] = unknown.as_slice() else {
        return None;
    };
    let missing = missing(parameters, arguments);
    let value = unknown.field("value")?;
    let written = keyword(unknown)?;
    let open: Vec<&Parameter<'_>> = not_given(parameters, arguments);
    let intended = match missing.as_slice() {
        [only] => only.name.clone(),
        [] => {
            let near: Vec<&&Parameter<'_>> =
                open.iter().filter(|p| similar(&p.name, &written)).collect();
            let [only] = near.as_slice() else { return None };
            only.name.clone()
        }
        _ => return None,
    };
    // Only a likeness makes it evident; a required parameter of quite another name is another thing.
    if !similar(&intended, &written) {
        return None;
    }
    Some(
        arguments
            .iter()
            .map(|argument| {
                if argument.range() == unknown.range() {
                    format!("{intended}={}", value.text())
                } else {
                    argument.text().into_owned()
                }
            })
            .collect(),
    )
}

/// One required parameter is not given, and a variable of the same name is at hand.
fn missing_argument(
    context: &Context<'_>,
    parameters: &[Parameter<'_>],
    arguments: &[Node<'_>],
) -> Option<Vec<String>> {
    let missing = missing(parameters, arguments);
    let [only] = missing.as_slice() else {
        return None;
    };
    if arguments.iter().any(|argument| {
        keyword(argument).is_some_and(|name| parameters.iter().all(|p| p.name != name))
    }) {
        return None;
    }
    let function = context.function()?;
    let bound = scope::parameters(&function)
        .iter()
        .any(|p| p.name == only.name)
        || scope::binding_before(&function, &only.name, context.failing.range().start).is_some_and(
            |binding| {
                place::block(&binding.statement).is_some_and(|block| {
                    let range = block.range();
                    range.start <= context.failing.range().start
                        && context.failing.range().end <= range.end
                })
            },
        );
    if !bound {
        return None;
    }
    // Where the arguments are by position, the ones behind the gap must not have slid into it.
    let position = parameters.iter().position(|p| p.name == only.name)?;
    let positional = arguments
        .iter()
        .filter(|argument| keyword(argument).is_none())
        .count();
    let mut texts: Vec<String> = arguments
        .iter()
        .map(|argument| argument.text().into_owned())
        .collect();
    if position == positional
        && positional == arguments.len()
        && only.kind != ParameterKind::KeywordOnly
    {
        texts.push(only.name.clone());
    } else {
        texts.push(format!("{0}={0}", only.name));
    }
    Some(texts)
}

/// One argument too many by position, where all others are named as their parameters are.
fn surplus_argument(parameters: &[Parameter<'_>], arguments: &[Node<'_>]) -> Option<Vec<String>> {
    if arguments.len() != parameters.len() + 1
        || arguments.iter().any(|argument| keyword(argument).is_some())
    {
        return None;
    }
    let texts: Vec<String> = arguments
        .iter()
        .map(|argument| argument.text().into_owned())
        .collect();
    let fitting: Vec<Vec<String>> = (0..texts.len())
        .map(|skipped| {
            let mut kept = texts.clone();
            kept.remove(skipped);
            kept
        })
        .filter(|kept| {
            kept.iter()
                .zip(parameters)
                .all(|(text, parameter)| text.rsplit('.').next() == Some(parameter.name.as_str()))
        })
        .collect();
    match fitting.as_slice() {
        [only] if !only.is_empty() => Some(only.clone()),
        _ => None,
    }
}

fn not_given<'p, 't>(
    parameters: &'p [Parameter<'t>],
    arguments: &[Node<'_>],
) -> Vec<&'p Parameter<'t>> {
    let by_keyword: BTreeSet<String> = arguments.iter().filter_map(keyword).collect();
    let positional = arguments
        .iter()
        .filter(|argument| keyword(argument).is_none())
        .count();
    parameters
        .iter()
        .enumerate()
        .filter(|(index, parameter)| *index >= positional && !by_keyword.contains(&parameter.name))
        .map(|(_, parameter)| parameter)
        .collect()
}

fn missing<'p, 't>(
    parameters: &'p [Parameter<'t>],
    arguments: &[Node<'_>],
) -> Vec<&'p Parameter<'t>> {
    not_given(parameters, arguments)
        .into_iter()
        .filter(|parameter| parameter.default.is_none())
        .collect()
}

/// Names that a reader would take for each other: one holds the other, or few letters differ.
fn similar(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let contained = short.len() >= 3
        && long
            .split('_')
            .any(|word| word == short || word.strip_suffix('s') == Some(short));
    contained || super::names::near(a, b)
}

/// A method without `self`, called on an object.
pub(super) fn missing_self(context: &mut Context<'_>) -> Option<()> {
    let call = context.failing.clone();
    let callee = call
        .field("function")
        .filter(|callee| callee.kind() == "attribute")?;
    let object = callee.field("object")?;
    let name = callee.field("attribute")?.text().into_owned();
    // On a class the method would be meant as it is.
    match context.value(&object) {
        Some(Value::Callable { .. } | Value::Module { .. }) => return None,
        Some(_) => {}
        None if object.text() == "self" => {}
        None => return None,
    }
    let methods: Vec<Node<'_>> = place::definitions(context.source)
        .into_iter()
        .map(|(_, node)| node)
        .filter(|node| {
            node.kind() == "function_definition"
                && node.field("name").is_some_and(|n| n.text() == name)
        })
        .collect();
    let [method] = methods.as_slice() else {
        return None;
    };
    place::class_of_method(method)?;
    let parameters = scope::parameters(method);
    let has_self = parameters
        .first()
        .is_some_and(|p| matches!(p.name.as_str(), "self" | "cls"));
    let arguments = call
        .field("arguments")?
        .named_children()
        .filter(|child| child.kind() != "comment")
        .count();
    let fits =
        parameters.len() == arguments && parameters.iter().all(|p| p.kind == ParameterKind::Plain);
    if has_self || !fits || !scope::decorators(method).is_empty() {
        return None;
    }
    let method = method.clone();
    context
        .captured
        .insert("DEFINITION".to_string(), Captured::Node(method));
    Some(())
}
