//! Facts about divisions by zero: shares and averages of nothing, and how the program answers them elsewhere.

use super::super::context::Context;
use super::super::values;
use super::absence::presence;
use homeostasis_syntax::{Node, literal, place, scope};
use std::collections::BTreeSet;

/// The divisor counts or sums something, and both it and the dividend were zero: there was nothing to share out.
pub(super) fn share_of_nothing(context: &Context<'_>) -> Option<()> {
    let dividend = context.node("DIVIDEND")?;
    let divisor = context.node("DIVISOR")?;
    let nothing = |node: &Node<'_>| {
        context
            .value(node)
            .is_some_and(|value| values::is_zero(&value))
    };
    // A divisor that is a count of an empty thing was zero, whether or not its value was captured.
    let none_counted = nothing(divisor) || context.hypothesis.error.ends_with("ZeroDivisionError");
    let shared = factors(dividend);
    // A share of something among nothing is another matter: who was to get it?
    let all_nothing = shared.iter().all(nothing) && !shared.is_empty();
    (none_counted && counts(context, divisor, 0) && all_nothing).then_some(())
}

/// What is multiplied in the dividend, constants such as 100 left out.
fn factors<'t>(node: &Node<'t>) -> Vec<Node<'t>> {
    match node.kind().as_ref() {
        "parenthesized_expression" => node
            .named_children()
            .flat_map(|inner| factors(&inner))
            .collect(),
        "binary_operator"
            if node
                .field("operator")
                .is_some_and(|operator| operator.text() == "*") =>
        {
            [node.field("left"), node.field("right")]
                .iter()
                .flatten()
                .flat_map(factors)
                .collect()
        }
        _ if literal::is_constant(node) => Vec::new(),
        _ => vec![node.clone()],
    }
}

/// True for `len(x)`, `sum(...)`, `x.count(...)`, and a variable that holds one or was counted up from zero.
fn counts(context: &Context<'_>, node: &Node<'_>, depth: u32) -> bool {
    match node.kind().as_ref() {
        "call" => {
            let callee = node
                .field("function")
                .map(|f| f.text().into_owned())
                .unwrap_or_default();
            let last = callee.rsplit('.').next().unwrap_or_default().to_string();
            matches!(callee.as_str(), "len" | "sum" | "float" | "Decimal" | "int") && {
                matches!(callee.as_str(), "len" | "sum")
                    || node
                        .field("arguments")
                        .and_then(|arguments| arguments.named_children().next())
                        .is_some_and(|inner| counts(context, &inner, depth + 1))
            } || matches!(last.as_str(), "count" | "total" | "scalar_one" | "scalar")
        }
        "parenthesized_expression" => node
            .named_children()
            .any(|inner| counts(context, &inner, depth)),
        "identifier" if depth < 3 => {
            let bindings = scope::bindings_named(&context.scope(), &node.text());
            let counted = bindings
                .iter()
                .any(|binding| binding.kind == scope::BindingKind::Augmented);
            let begun = bindings.iter().any(|binding| {
                binding.kind == scope::BindingKind::Assignment
                    && binding.value.as_ref().is_some_and(|value| {
                        literal::integer_value(value) == Some(0) || value.text() == "0.0"
                    })
            });
            let all_counts = !bindings.is_empty()
                && bindings.iter().all(|binding| {
                    binding
                        .value
                        .as_ref()
                        .is_some_and(|value| counts(context, value, depth + 1))
                });
            (counted && begun) || all_counts
        }
        _ => false,
    }
}

/// The failing expression must give a number: it is rounded, multiplied, added, formatted as a number, returned as
/// one, or its function returns numbers elsewhere.
pub(super) fn result_is_number(context: &Context<'_>) -> Option<()> {
    let mut child = context.failing.clone();
    for outer in place::outward(&context.failing).skip(1) {
        match outer.kind().as_ref() {
            "binary_operator" | "unary_operator" | "augmented_assignment" => return Some(()),
            "call" => {
                let callee = outer.field("function")?.text().into_owned();
                if [
                    "round", "int", "float", "Decimal", "abs", "min", "max", "sum",
                ]
                .contains(&callee.as_str())
                {
                    return Some(());
                }
            }
            "interpolation" => {
                let format = outer
                    .field("format_specifier")
                    .map(|f| f.text().into_owned())
                    .unwrap_or_default();
                return format.ends_with(['f', 'd', '%', 'g', 'e']).then_some(());
            }
            "return_statement" => {
                let function = context.function()?;
                if let Some(annotation) = function.field("return_type") {
                    return ["float", "int", "Decimal"]
                        .contains(&annotation.text().as_ref())
                        .then_some(());
                }
                return other_returns_are_numbers(&function, &child).then_some(());
            }
            "assignment" => {
                if let Some(annotation) = outer.field("type") {
                    return ["float", "int", "Decimal"]
                        .contains(&annotation.text().as_ref())
                        .then_some(());
                }
                let target = outer
                    .field("left")
                    .filter(|left| left.kind() == "identifier")?;
                return is_computed_with(context, &target).then_some(());
            }
            _ if place::is_statement(&outer) => return None,
            _ => {}
        }
        child = outer;
    }
    None
}

/// Whether the variable is rounded, computed with or formatted as a number further on.
fn is_computed_with(context: &Context<'_>, target: &Node<'_>) -> bool {
    scope::names_in(&context.scope())
        .iter()
        .filter(|name| {
            name.text() == target.text() && name.range().start > context.failing.range().end
        })
        .filter_map(Node::parent)
        .any(|parent| match parent.kind().as_ref() {
            "binary_operator" | "unary_operator" => true,
            "interpolation" => parent.field("format_specifier").is_some(),
            "argument_list" => parent
                .parent()
                .and_then(|call| call.field("function"))
                .is_some_and(|callee| {
                    ["round", "int", "float", "Decimal", "abs"].contains(&callee.text().as_ref())
                }),
            _ => false,
        })
}

fn other_returns_are_numbers(function: &Node<'_>, here: &Node<'_>) -> bool {
    let mut numbers = 0;
    for node in scope::own_nodes(function) {
        if node.kind() != "return_statement"
            || (node.range().start <= here.range().start && here.range().end <= node.range().end)
        {
            continue;
        }
        match node.named_children().next() {
            Some(value) if matches!(value.kind().as_ref(), "integer" | "float") => numbers += 1,
            _ => return false,
        }
    }
    numbers > 0
}

/// Other divisions of the program that are guarded against a zero divisor answer with a constant, always the same.
pub(super) fn empty_elsewhere(context: &mut Context<'_>) -> Option<()> {
    let mut found = BTreeSet::new();
    for source in context.sources.values() {
        for node in source.root().dfs() {
            let fallback = match node.kind().as_ref() {
                "conditional_expression" => conditional(&node),
                "if_statement" => early(&node),
                _ => None,
            };
            found.extend(fallback);
        }
    }
    let mut found = found.into_iter();
    let (Some(fallback), None) = (found.next(), found.next()) else {
        return None;
    };
    context.bind("FALLBACK", fallback);
    Some(())
}

/// `a / n if n else 0`, in any of its forms.
fn conditional(node: &Node<'_>) -> Option<String> {
    let parts: Vec<Node<'_>> = node
        .named_children()
        .filter(|c| c.kind() != "comment")
        .collect();
    let [body, test, otherwise] = parts.as_slice() else {
        return None;
    };
    let (tested, present) = presence(test)?;
    let (used, fallback) = if present {
        (body, otherwise)
    } else {
        (otherwise, body)
    };
    let divides = divisors(used)
        .iter()
        .any(|divisor| divisor.contains(tested.text().as_ref()));
    (divides && matches!(fallback.kind().as_ref(), "integer" | "float" | "none"))
        .then(|| fallback.text().into_owned())
}

/// `if not n: return 0` in a function that divides by it.
fn early(node: &Node<'_>) -> Option<String> {
    let (tested, present) = presence(&node.field("condition")?)?;
    let statements: Vec<Node<'_>> = node.field("consequence")?.named_children().collect();
    let [only] = statements.as_slice() else {
        return None;
    };
    if present || only.kind() != "return_statement" {
        return None;
    }
    let function = place::function(node)?;
    let divides = divisors(&function)
        .iter()
        .any(|divisor| divisor.contains(tested.text().as_ref()));
    let answer = only.named_children().next()?;
    (divides && matches!(answer.kind().as_ref(), "integer" | "float" | "none"))
        .then(|| answer.text().into_owned())
}

fn divisors(node: &Node<'_>) -> Vec<String> {
    node.dfs()
        .filter(|inner| inner.kind() == "binary_operator")
        .filter(|inner| {
            inner
                .field("operator")
                .is_some_and(|operator| matches!(operator.text().as_ref(), "/" | "//" | "%"))
        })
        .filter_map(|inner| Some(inner.field("right")?.text().into_owned()))
        .collect()
}
