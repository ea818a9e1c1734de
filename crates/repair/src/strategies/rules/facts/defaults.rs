//! Facts about defaults that the program states itself: for the same key elsewhere, and for settings.

use super::super::context::Context;
use homeostasis_syntax::{Node, Source, literal, scope};
use std::collections::BTreeSet;

/// Other reads of the same key of a mapping of the same name have a default, all the same one.
pub(super) fn elsewhere(context: &mut Context<'_>) -> Option<()> {
    let object = context.node("OBJECT")?.clone();
    let name = last_name(&object)?;
    let Some(key) = literal::string_value(context.node("KEY")?) else {
        return of_constant_mapping(context, &object, &name);
    };
    let mut found = BTreeSet::new();
    for default in reads_with_default(context.source, &key, |other| {
        last_name(other).as_ref() == Some(&name)
    }) {
        found.insert(default);
    }
    if let Some(constant) = constant_mapping(context, &key, &name) {
        found.insert(constant);
    }
    let default = only(found)?;
    usable(context, &default)?;
    context.bind("DEFAULT", default);
    Some(())
}

/// A mapping of the module that is asked for a key worked out at run time: its other reads have a default, or a
/// constant is named after it (`DEFAULT_RATES` for `RATES`).
fn of_constant_mapping(context: &mut Context<'_>, object: &Node<'_>, name: &str) -> Option<()> {
    let bindings = scope::bindings_named(&context.source.root(), name);
    if object.kind() != "identifier" || bindings.len() != 1 {
        return None;
    }
    let mut found = BTreeSet::new();
    for call in context
        .source
        .root()
        .dfs()
        .filter(|node| node.kind() == "call")
    {
        let callee = call
            .field("function")
            .filter(|callee| callee.kind() == "attribute");
        let Some(callee) = callee else { continue };
        let is_get = callee.field("attribute").is_some_and(|a| a.text() == "get")
            && callee.field("object").is_some_and(|o| o.text() == name);
        if !is_get {
            continue;
        }
        let arguments: Vec<Node<'_>> = call.field("arguments")?.named_children().collect();
        match arguments.as_slice() {
            [_, default] => {
                found.insert(default.text().into_owned());
            }
            // Asked for without a default: then None is an answer too.
            _ => return None,
        }
    }
    for constant in [format!("DEFAULT_{name}"), format!("{name}_DEFAULT")] {
        if !scope::bindings_named(&context.source.root(), &constant).is_empty() {
            found.insert(constant);
        }
    }
    let default = only(found)?;
    usable(context, &default)?;
    context.bind("DEFAULT", default);
    Some(())
}

/// Another read of the same setting has a default, or a constant is named after it.
pub(super) fn of_setting(context: &mut Context<'_>) -> Option<()> {
    let key = literal::string_value(context.node("KEY")?)?;
    let mut found = BTreeSet::new();
    for source in context.sources.values() {
        found.extend(reads_with_default(source, &key, |other| {
            matches!(other.text().as_ref(), "os.environ" | "environ")
        }));
        found.extend(getenv_defaults(source, &key));
    }
    // A constant of this very file, such as DEFAULT_PORT for PORT or for SHOP_PORT.
    for binding in scope::bindings(&context.source.root()) {
        let suffix = binding
            .name
            .strip_prefix("DEFAULT_")
            .or_else(|| binding.name.strip_suffix("_DEFAULT"));
        let Some(suffix) = suffix else { continue };
        let same = suffix == key || key.ends_with(&format!("_{suffix}"));
        let text = binding
            .value
            .as_ref()
            .is_some_and(|value| literal::string_value(value).is_some());
        if same && text {
            found.insert(binding.name.clone());
        }
    }
    let default = only(found)?;
    usable(context, &default)?;
    context.bind("DEFAULT", default);
    Some(())
}

fn only(found: BTreeSet<String>) -> Option<String> {
    if found.len() == 1 {
        found.into_iter().next()
    } else {
        None
    }
}

/// A default may be a constant, or a name of this module that is bound once.
fn usable(context: &Context<'_>, default: &str) -> Option<()> {
    let parsed = Source::python(default).ok()?;
    let node = parsed.exactly(0..default.len())?;
    if literal::is_constant(&node) {
        return Some(());
    }
    let reference = match node.kind().as_ref() {
        "identifier" => default,
        "subscript" | "attribute" => return module_constant(context, &node),
        _ => return None,
    };
    let bound = scope::bindings_named(&context.source.root(), reference).len() == 1;
    let shadowed = context
        .function()
        .is_some_and(|function| scope::local_names(&function).contains(reference));
    (bound && !shadowed).then_some(())
}

fn module_constant(context: &Context<'_>, node: &Node<'_>) -> Option<()> {
    let root = scope::names_in(node).first()?.text().into_owned();
    (scope::bindings_named(&context.source.root(), &root).len() == 1).then_some(())
}

/// The defaults of `mapping.get(key, default)` for this key, as they are written.
fn reads_with_default(source: &Source, key: &str, same: impl Fn(&Node<'_>) -> bool) -> Vec<String> {
    source
        .root()
        .dfs()
        .filter(|node| node.kind() == "call")
        .filter_map(|call| {
            let callee = call
                .field("function")
                .filter(|callee| callee.kind() == "attribute")?;
            if callee.field("attribute")?.text() != "get" || !same(&callee.field("object")?) {
                return None;
            }
            let arguments: Vec<Node<'_>> = call.field("arguments")?.named_children().collect();
            let [first, default] = arguments.as_slice() else {
                return None;
            };
            (literal::string_value(first)? == key).then(|| default.text().into_owned())
        })
        .collect()
}

fn getenv_defaults(source: &Source, key: &str) -> Vec<String> {
    source
        .root()
        .dfs()
        .filter(|node| node.kind() == "call")
        .filter_map(|call| {
            let callee = call.field("function")?;
            if !matches!(callee.text().as_ref(), "os.getenv" | "getenv") {
                return None;
            }
            let arguments: Vec<Node<'_>> = call.field("arguments")?.named_children().collect();
            let [first, default] = arguments.as_slice() else {
                return None;
            };
            (literal::string_value(first)? == key).then(|| default.text().into_owned())
        })
        .collect()
}

/// `DEFAULTS["key"]`, where the module has a constant mapping of defaults that belongs to the mapping read.
fn constant_mapping(context: &Context<'_>, key: &str, name: &str) -> Option<String> {
    let wanted = name.to_ascii_uppercase();
    let names = [
        "DEFAULTS".to_string(),
        format!("DEFAULT_{wanted}"),
        format!("{wanted}_DEFAULTS"),
    ];
    scope::bindings(&context.source.root())
        .into_iter()
        .find_map(|binding| {
            if !names.contains(&binding.name) {
                return None;
            }
            let value = binding.value.filter(|value| value.kind() == "dictionary")?;
            let pair = value
                .named_children()
                .filter(|child| child.kind() == "pair")
                .find(|pair| {
                    pair.field("key")
                        .and_then(|k| literal::string_value(&k))
                        .as_deref()
                        == Some(key)
                })?;
            let default = pair.field("value")?;
            literal::is_constant(&default).then(|| {
                format!(
                    "{}[{}]",
                    binding.name,
                    pair.field("key")
                        .map(|k| k.text().into_owned())
                        .unwrap_or_default()
                )
            })
        })
}

/// The last name of `a`, `x.a`, `f().a`; what a reader would call the mapping.
pub(super) fn last_name(node: &Node<'_>) -> Option<String> {
    match node.kind().as_ref() {
        "identifier" => Some(node.text().into_owned()),
        "attribute" => Some(node.field("attribute")?.text().into_owned()),
        _ => None,
    }
}
