//! Facts about absence: how the program itself handles a missing object or an empty sequence, elsewhere or further on.

use super::super::context::{Captured, Context};
use super::defaults::last_name;
use homeostasis_syntax::{Node, literal, place, scope};
use std::collections::BTreeSet;

/// What stands in for the failing expression where `of` is absent: what other code uses for the same part of the same
/// thing, or None where the program is ready for it.
pub(super) fn elsewhere(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let subject = context.node(of?)?.clone();
    let whole = with_call(&context.failing);
    let part = part_of(&whole, &subject)?;
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (path, source) in context.sources {
        // A variable of the same name in another file is another variable; a relation of the same name is the same.
        if path != context.path && subject.kind() != "attribute" {
            continue;
        }
        for node in source.root().dfs() {
            if node.kind() != "conditional_expression" || node.range() == context.failing.range() {
                continue;
            }
            found.extend(fallback_of(&node, &subject, &part));
        }
    }
    let mut whole = whole;
    if found.is_empty()
        && let Some((shape, fallback)) = same_shape_elsewhere(context, &subject)
    {
        whole = shape;
        found.insert(fallback);
    }
    // A display made of nothing but parts of the absent thing is absent as a whole.
    if found.len() == 1
        && found.contains("None")
        && let Some(display) = display_of_parts(&whole, &subject)
    {
        whole = display;
    }
    if found.is_empty() && none_is_expected(context, &whole) {
        found.insert("None".to_string());
    }
    let mut found = found.into_iter();
    let (Some(fallback), None) = (found.next(), found.next()) else {
        return None;
    };
    // What is done with the result must work with the replacement too.
    if fallback == "None" && is_used_further(&whole) {
        return None;
    }
    context
        .captured
        .insert("USE".to_string(), Captured::Node(whole));
    context.bind("FALLBACK", fallback);
    Some(())
}

/// `{"name": x.name, "mail": x.mail}`, when every value is a part of the same thing.
fn display_of_parts<'t>(whole: &Node<'t>, subject: &Node<'_>) -> Option<Node<'t>> {
    let pair = whole.parent().filter(|parent| parent.kind() == "pair")?;
    let display = pair
        .parent()
        .filter(|parent| parent.kind() == "dictionary")?;
    let start = format!("{}.", subject.text());
    let pairs: Vec<Node<'_>> = display
        .named_children()
        .filter(|c| c.kind() != "comment")
        .collect();
    let all = pairs.iter().all(|pair| {
        pair.kind() == "pair"
            && pair
                .field("value")
                .is_some_and(|value| value.text().starts_with(&start))
    });
    (all && pairs.len() > 1).then_some(display)
}

/// An expression of the same form with another part of the same thing, guarded elsewhere in the file: the whole
/// expression around the failing part, and the constant that stands in for it there.
fn same_shape_elsewhere<'t>(
    context: &Context<'t>,
    subject: &Node<'t>,
) -> Option<(Node<'t>, String)> {
    let mut whole = context.failing.clone();
    while let Some(parent) = whole.parent().filter(|parent| {
        matches!(
            parent.kind().as_ref(),
            "binary_operator"
                | "call"
                | "argument_list"
                | "attribute"
                | "subscript"
                | "parenthesized_expression"
        )
    }) {
        whole = parent;
    }
    if whole.range() == context.failing.range() || !super::super::purity::is_repeatable(&whole) {
        return None;
    }
    let wanted = shape(&whole);
    let mut found = BTreeSet::new();
    for node in context
        .source
        .root()
        .dfs()
        .filter(|node| node.kind() == "conditional_expression")
    {
        let parts: Vec<Node<'_>> = node
            .named_children()
            .filter(|c| c.kind() != "comment")
            .collect();
        let [body, test, otherwise] = parts.as_slice() else {
            continue;
        };
        let Some((tested, present)) = presence(test) else {
            continue;
        };
        let (used, fallback) = if present {
            (body, otherwise)
        } else {
            (otherwise, body)
        };
        if same_thing(&tested, subject) && shape(used) == wanted && literal::is_constant(fallback) {
            found.insert(fallback.text().into_owned());
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Some((whole, only)),
        _ => None,
    }
}

/// The expression's text with the names of keys and attributes left out.
fn shape(node: &Node<'_>) -> String {
    node.dfs()
        .filter(|inner| inner.is_leaf())
        .map(|inner| {
            let is_attribute = inner.parent().is_some_and(|parent| {
                parent
                    .field("attribute")
                    .is_some_and(|name| name.range() == inner.range())
            });
            if inner.kind() == "string_content" || is_attribute {
                "_".to_string()
            } else {
                inner.text().into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The expression, with its call where it is the method that is called.
fn with_call<'t>(node: &Node<'t>) -> Node<'t> {
    node.parent()
        .filter(|parent| {
            parent.kind() == "call"
                && parent
                    .field("function")
                    .is_some_and(|function| function.range() == node.range())
        })
        .unwrap_or_else(|| node.clone())
}

/// The text of `whole` behind its object: `.name` of `order.customer.name` for `order.customer`.
fn part_of(whole: &Node<'_>, object: &Node<'_>) -> Option<String> {
    let text = whole.text();
    (whole.range().start == object.range().start)
        .then(|| text.get(object.range().len()..).map(str::to_string))
        .flatten()
        .filter(|part| !part.is_empty())
}

/// The constant that a conditional expression uses when the same thing is absent.
fn fallback_of(node: &Node<'_>, subject: &Node<'_>, part: &str) -> Option<String> {
    let parts: Vec<Node<'_>> = node
        .named_children()
        .filter(|c| c.kind() != "comment")
        .collect();
    let [body, test, otherwise] = parts.as_slice() else {
        return None;
    };
    let (tested, present) = presence(test)?;
    if !(same_thing(&tested, subject) || shows(part)) {
        return None;
    }
    let (used, fallback) = if present {
        (body, otherwise)
    } else {
        (otherwise, body)
    };
    let wanted = format!("{}{part}", tested.text());
    (used.text() == wanted && literal::is_constant(fallback)).then(|| fallback.text().into_owned())
}

/// Methods that only turn a value into text or a number to be shown: then any optional value of that kind is shown the
/// same way, whatever it is called.
fn shows(part: &str) -> bool {
    [
        ".isoformat(",
        ".strftime(",
        ".total_seconds(",
        ".timestamp(",
    ]
    .iter()
    .any(|method| part.starts_with(method))
}

/// The same expression, or the same relation of another object (`order.customer` and `invoice.customer`).
fn same_thing(a: &Node<'_>, b: &Node<'_>) -> bool {
    a.text() == b.text()
        || (a.kind() == "attribute" && b.kind() == "attribute" && last_name(a) == last_name(b))
}

/// What a test asks to be there, and whether it is true when it is: `x`, `not x`, `x is None`, `len(x) > 0` ...
pub(super) fn presence<'t>(test: &Node<'t>) -> Option<(Node<'t>, bool)> {
    match test.kind().as_ref() {
        "identifier" | "attribute" | "subscript" => Some((test.clone(), true)),
        "parenthesized_expression" => presence(&test.named_children().next()?),
        "not_operator" => {
            presence(&test.field("argument")?).map(|(subject, present)| (subject, !present))
        }
        "call" if test.field("function")?.text() == "len" => {
            Some((test.field("arguments")?.named_children().next()?, true))
        }
        "comparison_operator" => {
            let parts: Vec<Node<'_>> = test.named_children().collect();
            let [left, right] = parts.as_slice() else {
                return None;
            };
            let operator: String = test
                .children()
                .filter(|child| !child.is_named() || child.kind() == "is not")
                .map(|child| child.text().into_owned())
                .collect::<Vec<_>>()
                .join(" ");
            if right.kind() == "none" {
                return match operator.as_str() {
                    "is" | "==" => Some((left.clone(), false)),
                    "is not" | "!=" => Some((left.clone(), true)),
                    _ => None,
                };
            }
            let counted = left.kind() == "call" && left.field("function")?.text() == "len";
            let subject = if counted {
                left.field("arguments")?.named_children().next()?
            } else {
                left.clone()
            };
            match (operator.as_str(), literal::integer_value(right)?) {
                (">" | "!=", 0) | (">=", 1) => Some((subject, true)),
                ("==" | "<=", 0) | ("<", 1) => Some((subject, false)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// True where the program is ready for None: the function says it may return it, or the next thing it does with the
/// variable is to ask whether it is None.
fn none_is_expected(context: &Context<'_>, whole: &Node<'_>) -> bool {
    let Some(parent) = whole.parent() else {
        return false;
    };
    match parent.kind().as_ref() {
        "return_statement" => context
            .function()
            .and_then(|function| function.field("return_type"))
            .is_some_and(|annotation| allows_none(&annotation.text())),
        "assignment" => {
            let target = parent
                .field("left")
                .filter(|left| left.kind() == "identifier");
            target.is_some_and(|target| next_use_asks(context, &target))
        }
        _ => false,
    }
}

/// True for an annotation that has None among its alternatives.
pub(super) fn allows_none(annotation: &str) -> bool {
    let text = annotation.trim_matches(['"', '\'']);
    text.starts_with("Optional[")
        || text.starts_with("typing.Optional[")
        || text.split('|').any(|part| part.trim() == "None")
}

/// Whether the first mention of the variable behind its assignment asks if it is there.
pub(super) fn next_use_asks(context: &Context<'_>, target: &Node<'_>) -> bool {
    let scope_node = context.scope();
    let name = target.text();
    let next = scope::names_in(&scope_node)
        .into_iter()
        .find(|n| n.text() == name && n.range().start > context.failing.range().end);
    next.is_some_and(|next| is_asked(&next))
}

/// True when the node is what a condition asks to be there (`if x`, `x is None`, `x or y`).
pub(super) fn is_asked(node: &Node<'_>) -> bool {
    place::outward(node)
        .skip(1)
        .take(4)
        .any(|outer| match outer.kind().as_ref() {
            "if_statement" | "elif_clause" | "while_statement" => outer
                .field("condition")
                .and_then(|test| presence(&first_part(&test)))
                .is_some_and(|(subject, _)| subject.range() == node.range()),
            "boolean_operator" => {
                let or = outer
                    .field("operator")
                    .is_some_and(|operator| operator.text() == "or");
                or && outer
                    .field("left")
                    .is_some_and(|left| left.range() == node.range())
            }
            "conditional_expression" => outer
                .named_children()
                .nth(1)
                .and_then(|test| presence(&test))
                .is_some_and(|(subject, _)| subject.range() == node.range()),
            _ => false,
        })
}

/// The part of an `and`/`or` chain that is evaluated first.
fn first_part<'t>(test: &Node<'t>) -> Node<'t> {
    let mut part = test.clone();
    while part.kind() == "boolean_operator" {
        match part.field("left") {
            Some(left) => part = left,
            None => break,
        }
    }
    part
}

/// True when something is done with the expression's value that None would not stand.
fn is_used_further(node: &Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        let is_object = parent
            .field("object")
            .or_else(|| parent.field("value"))
            .or_else(|| parent.field("function"));
        matches!(parent.kind().as_ref(), "attribute" | "subscript" | "call")
            && is_object.is_some_and(|object| object.range() == node.range())
            || matches!(
                parent.kind().as_ref(),
                "binary_operator"
                    | "unary_operator"
                    | "augmented_assignment"
                    | "for_statement"
                    | "for_in_clause"
                    | "comparison_operator"
            )
    })
}

/// Other functions of the file that begin by answering an absent or empty `of` with a constant, always the same, and
/// this function only computes: then the same answer is right here.
pub(super) fn early_return(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let subject = context.node(of?)?.clone();
    if subject.kind() != "identifier" || !only_computes(&context.function()?) {
        return None;
    }
    let here = context.function()?.range();
    let mut found = BTreeSet::new();
    for statement in context
        .source
        .root()
        .dfs()
        .filter(|node| node.kind() == "if_statement")
    {
        if place::function(&statement).is_none_or(|function| function.range() == here) {
            continue;
        }
        let Some((tested, false)) = statement
            .field("condition")
            .and_then(|test| presence(&test))
        else {
            continue;
        };
        let body = statement.field("consequence");
        let statements: Vec<Node<'_>> = body
            .iter()
            .flat_map(|body| body.named_children().collect::<Vec<_>>())
            .collect();
        let [only] = statements.as_slice() else {
            continue;
        };
        // A sibling may ask for what it worked out of a parameter of that name.
        let about_it = tested.text() == subject.text()
            || (tested.kind() == "identifier"
                && place::function(&statement).is_some_and(|function| {
                    scope::parameters(&function)
                        .iter()
                        .any(|p| p.name == subject.text())
                }));
        if !about_it || only.kind() != "return_statement" {
            continue;
        }
        let answer = only.named_children().next();
        // What a sibling worked out may be of another kind; only None fits whatever this function gives.
        let derived = tested.text() != subject.text();
        if derived
            && answer
                .as_ref()
                .is_some_and(|answer| answer.kind() != "none")
        {
            continue;
        }
        match answer {
            Some(answer) if literal::is_constant(&answer) => {
                found.insert(answer.text().into_owned())
            }
            None => found.insert("None".to_string()),
            Some(_) => return None,
        };
    }
    let mut found = found.into_iter();
    let (Some(answer), None) = (found.next(), found.next()) else {
        return None;
    };
    context.bind("ANSWER", answer);
    Some(())
}

/// True for a function that computes and returns: it calls nothing that could change the world, and changes nothing
/// but its own variables.
pub(super) fn only_computes(function: &Node<'_>) -> bool {
    let returns = scope::own_nodes(function)
        .iter()
        .any(|node| node.kind() == "return_statement");
    returns
        && scope::own_nodes(function)
            .iter()
            .all(|node| match node.kind().as_ref() {
                "call" => super::super::purity::is_repeatable(node),
                "yield"
                | "await"
                | "global_statement"
                | "nonlocal_statement"
                | "delete_statement"
                | "with_statement"
                | "function_definition"
                | "class_definition" => false,
                "assignment" | "augmented_assignment" => node.field("left").is_some_and(|left| {
                    matches!(
                        left.kind().as_ref(),
                        "identifier" | "pattern_list" | "tuple_pattern"
                    )
                }),
                _ => true,
            })
}
