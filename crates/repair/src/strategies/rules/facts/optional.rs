//! Facts about what may rightly be left out: code that is ready for None, defaults in documentation, headers, deletions.

use super::super::context::{Captured, Context};
use super::absence::{allows_none, presence};
use super::defaults;
use homeostasis_domain::Origin;
use homeostasis_syntax::{Node, literal, place, scope};
use std::collections::BTreeSet;

/// What is done with the failing expression's value is ready for None: it is compared with None, it has a replacement
/// behind `or`, the first thing done with its variable is to ask whether it is None, or the function may return None.
pub(super) fn none_expected(context: &Context<'_>) -> Option<()> {
    let mut whole = context.failing.clone();
    if let Some(call) = whole.parent().filter(|parent| {
        parent.kind() == "call"
            && parent
                .field("function")
                .is_some_and(|function| function.range() == whole.range())
    }) {
        whole = call;
    }
    if asks_none(&whole) {
        return Some(());
    }
    let mut parent = whole.parent()?;
    if parent.kind() == "named_expression" {
        let outer = parent.parent()?;
        return (outer.kind() == "parenthesized_expression" && asks_none(&outer)).then_some(());
    }
    if parent.kind() == "parenthesized_expression" {
        parent = parent.parent()?;
    }
    match parent.kind().as_ref() {
        "assignment" => {
            let target = parent
                .field("left")
                .filter(|left| left.kind() == "identifier")?;
            let name = target.text();
            // In a loop the next mention in the text need not be the next one that runs; behind the statement it is.
            let next = scope::names_in(&context.scope())
                .into_iter()
                .find(|n| n.text() == name && n.range().start >= parent.range().end)?;
            asks_none(&next).then_some(())
        }
        "return_statement" => {
            allows_none(&context.function()?.field("return_type")?.text()).then_some(())
        }
        _ => None,
    }
}

/// True when the node is compared with None, or has a replacement behind `or`.
fn asks_none(node: &Node<'_>) -> bool {
    let Some(parent) = node.parent() else {
        return false;
    };
    match parent.kind().as_ref() {
        "comparison_operator" => {
            parent
                .named_children()
                .last()
                .is_some_and(|last| last.kind() == "none")
                && presence(&parent).is_some_and(|(subject, _)| subject.range() == node.range())
        }
        "boolean_operator" => {
            parent.field("operator").is_some_and(|o| o.text() == "or")
                && parent
                    .field("left")
                    .is_some_and(|left| left.range() == node.range())
        }
        _ => false,
    }
}

/// The failing expression is all that a `del` statement deletes.
pub(super) fn deleted(context: &Context<'_>) -> Option<()> {
    let parent = context.failing.parent()?;
    (parent.kind() == "delete_statement" && parent.named_children().count() == 1).then_some(())
}

/// The failing expression is a statement of its own, so that nothing uses its value.
pub(super) fn value_unused(context: &Context<'_>) -> Option<()> {
    let parent = context.failing.parent()?;
    (parent.kind() == "expression_statement" && parent.range() == context.failing.range())
        .then_some(())
}

/// `of` is None, and null is what the client itself sent or left out where a value must be: it was taken from the body
/// or a form by its key. Headers and query strings may leave out what they like, and so may the fields of a model.
pub(super) fn null_is_wrong(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    let node = context.node(of?)?.clone();
    if !matches!(
        context.origin(&node),
        Origin::RequestBody | Origin::RequestForm
    ) {
        return None;
    }
    let mut read = node;
    if read.kind() == "identifier" {
        read = scope::binding_before(
            &context.scope(),
            &read.text(),
            context.failing.range().start,
        )?
        .value?;
    }
    while matches!(read.kind().as_ref(), "await" | "parenthesized_expression") {
        let inner = read.named_children().next();
        read = inner?;
    }
    match read.kind().as_ref() {
        "subscript" => Some(()),
        "call" => {
            let callee = read.field("function")?;
            let method = callee.field("attribute")?.text().into_owned();
            let alone = read.field("arguments")?.named_children().count() < 2;
            (method != "get" || alone).then_some(())
        }
        // `request.json` as a whole.
        "attribute" => (read.field("object")?.text() == "request").then_some(()),
        _ => None,
    }
}

/// `mapping.get(key)` without a default, and its parts.
struct Read<'t> {
    call: Node<'t>,
    callee: Node<'t>,
    object: Node<'t>,
    key: Node<'t>,
    key_text: String,
}

/// The `mapping.get(key)` that gave the node's value: the node itself, or the only thing its variable is bound to.
fn read_without_default<'t>(context: &Context<'t>, node: &Node<'t>) -> Option<Read<'t>> {
    let call = if node.kind() == "identifier" {
        let name = node.text();
        let function = context.function()?;
        let bindings = scope::bindings_named(&function, &name);
        let [only] = bindings.as_slice() else {
            return None;
        };
        let binding = scope::binding_before(&function, &name, node.range().start)?;
        if binding.target.range() != only.target.range() {
            return None;
        }
        binding.value?
    } else {
        node.clone()
    };
    let callee = (call.kind() == "call")
        .then(|| call.field("function"))
        .flatten()
        .filter(|callee| callee.kind() == "attribute")?;
    if callee.field("attribute")?.text() != "get" {
        return None;
    }
    let arguments: Vec<Node<'_>> = call
        .field("arguments")?
        .named_children()
        .filter(|argument| argument.kind() != "comment")
        .collect();
    let [key] = arguments.as_slice() else {
        return None;
    };
    Some(Read {
        key_text: literal::string_value(key)?,
        object: callee.field("object")?,
        key: key.clone(),
        callee,
        call,
    })
}

/// The function asks somewhere whether the variable is there, so it wants to see the difference.
fn is_asked_for(context: &Context<'_>, node: &Node<'_>) -> bool {
    let name = node.text();
    node.kind() == "identifier"
        && scope::names_in(&context.scope())
            .iter()
            .any(|n| n.text() == name && (asks_none(n) || super::absence::is_asked(n)))
}

/// `of` is None because nothing was given under a key that a client may leave out, and nothing says it must be there.
pub(super) fn left_out_beside_defaults(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    const USUALLY_LEFT_OUT: &[&str] = &[
        "page",
        "per_page",
        "page_size",
        "limit",
        "offset",
        "size",
        "sort",
        "order",
        "order_by",
        "direction",
        "cursor",
        "skip",
        "top",
    ];
    let node = context.node(of?)?.clone();
    if !context.exception()?.message.contains("NoneType") {
        return None;
    }
    let read = read_without_default(context, &node)?;
    if matches!(
        context.origin(&node),
        Origin::RequestBody | Origin::RequestForm
    ) {
        return None;
    }
    let with_default = context.scope().dfs().any(|call| {
        call.kind() == "call"
            && call
                .field("function")
                .is_some_and(|callee| callee.text() == read.callee.text())
            && call.field("arguments").is_some_and(|arguments| {
                arguments
                    .named_children()
                    .filter(|argument| argument.kind() != "comment")
                    .count()
                    > 1
            })
    });
    (with_default || USUALLY_LEFT_OUT.contains(&read.key_text.as_str())).then_some(())
}

/// `of` is None because `mapping.get(key)` found nothing, and the program states what such a key stands for when it is
/// left out; binds READ (that call), READ_KEY and WITH_DEFAULT (the call with its default).
pub(super) fn get_default(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    let node = context.node(of?)?.clone();
    if is_asked_for(context, &node) || !context.exception()?.message.contains("NoneType") {
        return None;
    }
    let Read {
        call: read,
        callee,
        object,
        key,
        key_text,
    } = read_without_default(context, &node)?;
    let default = elsewhere(context, &object, &key)
        .or_else(|| documented(context, &key_text, &node))
        .or_else(|| as_other_headers(context, &object, &key_text, &node))?;
    let with_default = format!("{}({}, {default})", callee.text(), key.text());
    context.bind("WITH_DEFAULT", with_default);
    context
        .captured
        .insert("READ".to_string(), Captured::Node(read));
    context
        .captured
        .insert("READ_KEY".to_string(), Captured::Node(key));
    Some(())
}

fn elsewhere<'t>(context: &Context<'t>, object: &Node<'t>, key: &Node<'t>) -> Option<String> {
    let mut aside = context.clone();
    aside
        .captured
        .insert("OBJECT".to_string(), Captured::Node(object.clone()));
    aside
        .captured
        .insert("KEY".to_string(), Captured::Node(key.clone()));
    defaults::elsewhere(&mut aside)?;
    aside.text("DEFAULT").filter(|default| default != "None")
}

/// The default that the function's docstring states for the key, where it is of the kind that its use needs.
fn documented(context: &Context<'_>, key: &str, used: &Node<'_>) -> Option<String> {
    let docstring = docstring(&context.function()?)?;
    let default = default_in(&docstring, key)?;
    let number = default.parse::<f64>().is_ok_and(f64::is_finite);
    if is_read_as_number(used) {
        return number.then_some(default);
    }
    (is_text_method(used) && !default.contains(['"', '\\', '\n'])).then(|| format!("\"{default}\""))
}

fn docstring(function: &Node<'_>) -> Option<String> {
    let body = function.field("body")?;
    let first = body
        .named_children()
        .find(|child| child.kind() != "comment")?;
    let only = first.named_children().next()?;
    (first.kind() == "expression_statement" && only.kind() == "string")
        .then(|| only.text().into_owned())
}

/// What documentation says is used when `key` is left out: `default:` in the key's own entry of a description in YAML,
/// or `Defaults to 5`, `(default: 5)` in the line that begins with the key.
fn default_in(text: &str, key: &str) -> Option<String> {
    let mut found = BTreeSet::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        let (item, entry) = match line.strip_prefix("- ") {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if item || entry.is_empty() {
            within = false;
        }
        if let Some(name) = entry.strip_prefix("name:") {
            within = unquoted(name.trim()) == key;
            continue;
        }
        if within && let Some(value) = entry.strip_prefix("default:") {
            let value = unquoted(value.trim());
            if !value.is_empty() {
                found.insert(value.to_string());
            }
            continue;
        }
        let entry = entry.trim_start_matches(['*', '`', ' ']);
        let entry = entry.strip_prefix(":param ").unwrap_or(entry);
        let begins = entry
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with([':', ' ', '(', '`', ',']));
        if begins {
            found.extend(stated(entry));
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The value behind the word "default" in a sentence: a number, or something in quotes.
fn stated(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let at = lower.find("default")?;
    let rest = line.get(at + "default".len()..)?;
    let rest = ["s to ", "s: ", ": ", " is ", "=", " = ", " "]
        .iter()
        .find_map(|joint| rest.strip_prefix(joint))?
        .trim_start();
    let word = rest
        .split([' ', ')', ',', ';', ']'])
        .next()?
        .trim_end_matches('.');
    let quoted = ["\"", "'", "``", "`"].iter().find_map(|quote| {
        word.strip_prefix(quote)
            .and_then(|inner| inner.strip_suffix(quote))
    });
    match quoted {
        Some(inner) => Some(inner.to_string()),
        None => word.parse::<f64>().is_ok().then(|| word.to_string()),
    }
}

fn unquoted(text: &str) -> &str {
    let text = text.split(" #").next().unwrap_or(text).trim();
    text.trim_matches(['"', '\''])
}

/// A header may always be missing. Where every other header of the program that is read with a default has the same
/// text, and this one is used as text too, it is the default here. Who calls is another matter than what is asked for.
fn as_other_headers(
    context: &Context<'_>,
    object: &Node<'_>,
    key: &str,
    used: &Node<'_>,
) -> Option<String> {
    const KNOWS_WHO: &[&str] = &[
        "auth",
        "token",
        "key",
        "cookie",
        "secret",
        "signature",
        "session",
    ];
    let own = key.to_ascii_lowercase();
    if object.text() != "request.headers"
        || !is_text_method(used)
        || KNOWS_WHO.iter().any(|word| own.contains(word))
    {
        return None;
    }
    let mut found = BTreeSet::new();
    for call in context.source.root().dfs().filter(|n| n.kind() == "call") {
        if call
            .field("function")
            .is_none_or(|callee| callee.text() != "request.headers.get")
        {
            continue;
        }
        let arguments: Vec<Node<'_>> = call.field("arguments")?.named_children().collect();
        if let [_, default] = arguments.as_slice() {
            found.insert(default.text().into_owned());
        }
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) if matches!(only.as_str(), "\"\"" | "''") => Some(only),
        _ => None,
    }
}

/// True when the value is converted to a number where it failed.
fn is_read_as_number(node: &Node<'_>) -> bool {
    node.parent()
        .filter(|parent| parent.kind() == "argument_list")
        .and_then(|list| list.parent())
        .and_then(|call| call.field("function"))
        .is_some_and(|callee| {
            matches!(
                callee.text().as_ref(),
                "int" | "float" | "Decimal" | "decimal.Decimal"
            )
        })
}

/// True when a method that only text has is called on the value where it failed.
fn is_text_method(node: &Node<'_>) -> bool {
    const OF_TEXT: &[&str] = &[
        "split",
        "rsplit",
        "splitlines",
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "title",
        "casefold",
        "startswith",
        "endswith",
        "partition",
        "rpartition",
        "removeprefix",
        "removesuffix",
        "encode",
    ];
    node.parent()
        .filter(|parent| {
            parent.kind() == "attribute"
                && parent
                    .field("object")
                    .is_some_and(|object| object.range() == node.range())
        })
        .and_then(|parent| parent.field("attribute"))
        .is_some_and(|name| OF_TEXT.contains(&name.text().as_ref()))
}

/// The failing expression takes text apart, and the parts are only gone through: by a loop or a comprehension, at once or
/// by way of a variable. Where there is no text, there are no parts.
pub(super) fn parts_iterated(context: &mut Context<'_>) -> Option<()> {
    let failing = context.failing.clone();
    let method = failing.field("attribute")?.text().into_owned();
    let call = failing.parent().filter(|parent| {
        parent.kind() == "call"
            && parent
                .field("function")
                .is_some_and(|function| function.range() == failing.range())
    })?;
    if !matches!(method.as_str(), "split" | "rsplit" | "splitlines") {
        return None;
    }
    let by_variable = || {
        let assignment = call.parent().filter(|p| p.kind() == "assignment")?;
        let target = assignment.field("left")?;
        let scope_node = context.scope();
        let bound = scope::bindings_named(&scope_node, &target.text());
        if target.kind() != "identifier" || bound.len() != 1 {
            return None;
        }
        let uses: Vec<Node<'_>> = scope::names_in(&scope_node)
            .into_iter()
            .filter(|n| n.text() == target.text() && n.range() != target.range())
            .collect();
        (!uses.is_empty() && uses.iter().all(is_gone_through)).then_some(())
    };
    if !is_gone_through(&call) {
        by_variable()?;
    }
    context
        .captured
        .insert("USE".to_string(), Captured::Node(call));
    Some(())
}

/// True for what a loop or a comprehension goes through.
fn is_gone_through(node: &Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        matches!(parent.kind().as_ref(), "for_statement" | "for_in_clause")
            && parent
                .field("right")
                .is_some_and(|right| right.range() == node.range())
    })
}

/// `of` is a parameter that may be left out and was None, and the function only looks for it in something: what is
/// looked for then is the empty text, which is found everywhere. Binds PARAMETER.
pub(super) fn sought_nothing(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    const SEEKS: &[&str] = &["contains", "icontains", "startswith", "istartswith"];
    const SHAPES: &[&str] = &["strip", "lower", "upper", "casefold"];
    let node = context.node(of?)?.clone();
    let name = node.text().into_owned();
    let function = place::function(&node)?;
    let parameter = scope::parameters(&function)
        .into_iter()
        .find(|parameter| node.kind() == "identifier" && parameter.name == name)?;
    let none_by_default = parameter
        .default
        .as_ref()
        .is_some_and(|default| default.kind() == "none");
    if !none_by_default || !scope::bindings_named(&function, &name).is_empty() {
        return None;
    }
    let uses: Vec<Node<'_>> = scope::names_in(&function)
        .into_iter()
        .filter(|n| n.text() == name && n.range().start >= parameter.node.range().end)
        .collect();
    let only_sought = uses.iter().all(|used| {
        let mut value = used.clone();
        // `search.strip().lower()` is sought as `search` is.
        while let Some(call) = value
            .parent()
            .filter(|parent| {
                parent.kind() == "attribute"
                    && parent
                        .field("attribute")
                        .is_some_and(|method| SHAPES.contains(&method.text().as_ref()))
            })
            .and_then(|method| method.parent())
            .filter(|call| call.kind() == "call")
        {
            value = call;
        }
        let Some(parent) = value.parent() else {
            return false;
        };
        match parent.kind().as_ref() {
            "argument_list" => parent
                .parent()
                .and_then(|call| call.field("function"))
                .and_then(|callee| callee.field("attribute"))
                .is_some_and(|method| SEEKS.contains(&method.text().as_ref())),
            "comparison_operator" => {
                let operator = parent.children().any(|child| child.text() == "in");
                operator
                    && parent.named_children().count() == 2
                    && parent
                        .named_children()
                        .next()
                        .is_some_and(|left| left.range() == value.range())
                    && parent
                        .named_children()
                        .last()
                        .is_some_and(|right| holds_text(&right))
            }
            _ => false,
        }
    });
    (only_sought && !uses.is_empty()).then(|| context.bind("PARAMETER", name))
}

/// True for an expression that is certainly text, so that `in` looks for a part of it.
fn holds_text(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "string" => true,
        "call" => node
            .field("function")
            .and_then(|callee| callee.field("attribute"))
            .is_some_and(|method| {
                matches!(
                    method.text().as_ref(),
                    "lower" | "upper" | "casefold" | "strip"
                )
            }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::default_in;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(default_in(text, "size").as_deref(), expect);
    }

    #[test]
    fn an_entry_in_yaml_states_its_own_default() {
        check(
            "parameters:\n  - in: query\n    name: size\n    type: number\n    default: 20\n",
            Some("20"),
        );
        check(
            "  - name: size\n    type: string\n  - name: page\n    default: 3\n",
            None,
        );
    }

    #[test]
    fn a_line_about_the_key_states_its_default() {
        check("    size (int): How many. Defaults to 20.", Some("20"));
        check("    :param size: how many (default: 5)", Some("5"));
        check(
            "    size: `small` or `large`, default `small`",
            Some("small"),
        );
        check("    sizes: default 5", None);
        check("    size: the default", None);
    }

    #[test]
    fn two_defaults_tell_nothing() {
        check("size: defaults to 3\nsize: defaults to 4", None);
    }
}
