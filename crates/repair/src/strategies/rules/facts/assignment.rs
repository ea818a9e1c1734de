//! Facts about assignments: what a variable should begin as, declarations that are missing, defaults of None.

use super::super::context::Context;
use super::absence;
use homeostasis_domain::{Origin, Value};
use homeostasis_syntax::scope::{Binding, BindingKind};
use homeostasis_syntax::{Node, literal, place, scope};

/// What the unassigned variable should begin as, when its other uses tell.
pub(super) fn initial_value(context: &mut Context<'_>) -> Option<()> {
    let node = context.node("NAME")?.clone();
    let name = node.text().into_owned();
    let function = place::function(&node)?;
    let bindings = scope::bindings_named(&function, &name);
    // A name of the module with the same name means that a declaration is missing instead.
    if bindings.is_empty() || scope::module_names(context.source).contains(&name) {
        return None;
    }
    let understood = bindings.iter().all(|binding| {
        matches!(
            binding.kind,
            BindingKind::Assignment | BindingKind::Augmented
        )
    });
    if !understood {
        return None;
    }
    let initial = accumulated(&bindings)
        .or_else(|| emptied(&bindings))
        .or_else(|| asked(&function, &node, &bindings))?;
    context.bind("INITIAL", initial);
    Some(())
}

/// Only ever changed by `+=`: the sum begins with nothing of its kind.
fn accumulated(bindings: &[Binding<'_>]) -> Option<String> {
    let mut initial = None;
    for binding in bindings {
        if binding.kind != BindingKind::Augmented {
            return None;
        }
        let operator = binding
            .target
            .parent()?
            .field("operator")?
            .text()
            .into_owned();
        let value = binding.value.as_ref()?;
        let this = match (operator.as_str(), value.kind().as_ref()) {
            ("+=", "string" | "concatenated_string") => "\"\"",
            ("+=", "list" | "list_comprehension") => "[]",
            ("+=" | "-=", "integer" | "float" | "binary_operator") => "0",
            ("+=" | "-=", "call")
                if ["len", "int", "float", "sum", "round", "abs"]
                    .contains(&value.field("function")?.text().as_ref()) =>
            {
                "0"
            }
            _ => return None,
        };
        if initial.is_some_and(|earlier| earlier != this) {
            return None;
        }
        initial = Some(this);
    }
    initial.map(str::to_string)
}

/// Each branch begins it as the same empty thing.
fn emptied(bindings: &[Binding<'_>]) -> Option<String> {
    let mut initial: Option<String> = None;
    for binding in bindings
        .iter()
        .filter(|binding| binding.kind == BindingKind::Assignment)
    {
        let value = binding.value.as_ref()?;
        let empty = match value.kind().as_ref() {
            "list" | "dictionary" => value.named_children().next().is_none(),
            "call" => matches!(value.text().as_ref(), "set()" | "list()" | "dict()"),
            _ => false,
        };
        if !empty
            || initial
                .as_ref()
                .is_some_and(|earlier| *earlier != value.text())
        {
            return None;
        }
        initial = Some(value.text().into_owned());
    }
    initial
}

/// What reads it asks whether it is there: then None says that it is not.
fn asked(function: &Node<'_>, node: &Node<'_>, bindings: &[Binding<'_>]) -> Option<String> {
    let plain = bindings
        .iter()
        .all(|binding| binding.kind == BindingKind::Assignment);
    let returned = node.parent().is_some_and(|parent| {
        parent.kind() == "return_statement"
            && function
                .field("return_type")
                .is_some_and(|annotation| absence::allows_none(&annotation.text()))
    });
    (plain && (returned || absence::is_asked(node))).then(|| "None".to_string())
}

/// The function changes a variable of the module, or of the function around it, as if it were its own.
pub(super) fn missing_declaration(context: &mut Context<'_>) -> Option<()> {
    let node = context.node("NAME")?.clone();
    let name = node.text().into_owned();
    let function = place::function(&node)?;
    let bindings = scope::bindings_named(&function, &name);
    if scope::parameters(&function)
        .iter()
        .any(|parameter| parameter.name == name)
    {
        return None;
    }
    let counted = !bindings.is_empty()
        && bindings
            .iter()
            .all(|binding| binding.kind == BindingKind::Augmented);
    let filled_once = bindings
        .iter()
        .all(|binding| binding.kind == BindingKind::Assignment)
        && absence::is_asked(&node)
        && bindings
            .iter()
            .all(|binding| binding.target.range().start > node.range().start);
    if !counted && !filled_once {
        return None;
    }
    let outer_function = place::outward(&function)
        .skip(1)
        .find(|outer| outer.kind() == "function_definition")
        .filter(|outer| scope::local_names(outer).contains(&name));
    if outer_function.is_some() {
        context.bind("DECLARATION", format!("nonlocal {name}"));
        return Some(());
    }
    let module = scope::bindings_named(&context.source.root(), &name);
    let is_variable = !module.is_empty()
        && module.iter().all(|binding| {
            matches!(
                binding.kind,
                BindingKind::Assignment | BindingKind::Augmented
            )
        });
    // A constant is not counted up; whoever does that means another variable.
    let is_constant = name.chars().any(char::is_alphabetic)
        && !name.chars().any(char::is_lowercase)
        && !name.contains("COUNT");
    (is_variable && !is_constant).then(|| context.bind("DECLARATION", format!("global {name}")))
}

/// A parameter that defaults to None, was None, and is used as a container.
pub(super) fn none_default(context: &mut Context<'_>, of: Option<&str>) -> Option<()> {
    // A None that a caller passed on may stand for something that was not found.
    let node = context.node(of?)?.clone();
    if node.kind() != "identifier"
        || context
            .value(&node)
            .is_some_and(|value| value != Value::None)
    {
        return None;
    }
    if !matches!(
        context.origin(&node),
        Origin::Constant | Origin::Parameter { .. } | Origin::Unknown
    ) {
        return None;
    }
    let name = node.text().into_owned();
    let function = place::function(&node)?;
    let parameter = scope::parameters(&function)
        .into_iter()
        .find(|parameter| parameter.name == name)?;
    if parameter.default.as_ref()?.kind() != "none"
        || !scope::bindings_named(&function, &name).is_empty()
    {
        return None;
    }
    let mut kinds: Vec<&'static str> = scope::names_in(&function)
        .iter()
        .filter(|n| n.text() == name && n.range().start > parameter.node.range().end)
        .filter_map(container)
        .collect();
    if let Some(annotation) = &parameter.annotation {
        kinds.extend(annotated(&annotation.text()));
    }
    let empty = kinds.first().copied()?;
    // `items` alone could be a list or a mapping; another use has to tell, or a list it is.
    let certain: Vec<&str> = kinds
        .iter()
        .copied()
        .filter(|kind| *kind != "[]?")
        .collect();
    let empty = match certain.first() {
        Some(first) if certain.iter().all(|kind| kind == first) => *first,
        Some(_) => return None,
        None if empty == "[]?" => "[]",
        None => return None,
    };
    context.bind("PARAMETER", name);
    context.bind("EMPTY", empty);
    Some(())
}

/// What a use of a variable says about the container it should be; `[]?` for a use that fits several.
fn container(node: &Node<'_>) -> Option<&'static str> {
    let parent = node.parent()?;
    let is_field = |name: &str| {
        parent
            .field(name)
            .is_some_and(|field| field.range() == node.range())
    };
    match parent.kind().as_ref() {
        "attribute" if is_field("object") => match parent.field("attribute")?.text().as_ref() {
            "append" | "extend" | "insert" | "sort" | "reverse" => Some("[]"),
            "get" | "items" | "keys" | "values" | "setdefault" => Some("{}"),
            "add" | "discard" => Some("set()"),
            _ => None,
        },
        "subscript" if is_field("value") => {
            let key = parent.field("subscript")?;
            literal::string_value(&key).map(|_| "{}")
        }
        "dictionary_splat" => Some("{}"),
        "for_statement" | "for_in_clause" if is_field("right") => Some("[]?"),
        "comparison_operator"
            if parent
                .children()
                .any(|c| matches!(c.text().as_ref(), "in" | "not in")) =>
        {
            Some("[]?")
        }
        "argument_list" => {
            let callee = parent.parent()?.field("function")?.text().into_owned();
            let method = callee.rsplit('.').next().unwrap_or_default();
            if callee.contains('.') && matches!(method, "extend" | "join") {
                return Some("[]?");
            }
            matches!(
                callee.as_str(),
                "len"
                    | "sorted"
                    | "sum"
                    | "list"
                    | "set"
                    | "tuple"
                    | "enumerate"
                    | "any"
                    | "all"
                    | "min"
                    | "max"
            )
            .then_some("[]?")
        }
        "list_splat" => Some("[]?"),
        _ => None,
    }
}

fn annotated(annotation: &str) -> Option<&'static str> {
    let lower = annotation.to_ascii_lowercase();
    let inner = lower
        .trim_start_matches("typing.")
        .trim_start_matches("optional[")
        .trim_start();
    ["list", "sequence", "iterable"]
        .iter()
        .any(|kind| inner.starts_with(kind))
        .then_some("[]")
        .or_else(|| {
            ["dict", "mapping"]
                .iter()
                .any(|kind| inner.starts_with(kind))
                .then_some("{}")
        })
        .or_else(|| inner.starts_with("set").then_some("set()"))
}
