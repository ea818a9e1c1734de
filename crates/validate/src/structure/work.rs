//! What a statement does beyond computing values: the work that must not get lost. Names are data, judged by what they
//! usually mean; a call that is not known to be free of effects counts as work.

use homeostasis_syntax::Node;
use std::collections::BTreeMap;

/// Calls that only compute, by their last name.
const PURE: &[&str] = &[
    "abs",
    "all",
    "any",
    "bool",
    "bytes",
    "callable",
    "chr",
    "date",
    "datetime",
    "decimal",
    "dict",
    "divmod",
    "enumerate",
    "filter",
    "float",
    "format",
    "fraction",
    "frozenset",
    "getattr",
    "hasattr",
    "hash",
    "hex",
    "id",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "object",
    "ord",
    "pow",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "timedelta",
    "tuple",
    "type",
    "uuid",
    "vars",
    "zip",
    "get",
    "items",
    "keys",
    "values",
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "rsplit",
    "splitlines",
    "partition",
    "rpartition",
    "lower",
    "upper",
    "title",
    "capitalize",
    "casefold",
    "startswith",
    "endswith",
    "join",
    "replace",
    "encode",
    "decode",
    "isdigit",
    "isalpha",
    "isalnum",
    "isnumeric",
    "isdecimal",
    "find",
    "rfind",
    "index",
    "count",
    "copy",
    "deepcopy",
    "isoformat",
    "fromisoformat",
    "strftime",
    "strptime",
    "quantize",
    "total_seconds",
    "to_dict",
    "as_dict",
    "jsonify",
    "url_for",
    "dumps",
    "loads",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "print",
];

/// Calls that clearly change something, by their last name.
const WRITES: &[&str] = &[
    "add",
    "add_all",
    "append",
    "apply",
    "apply_async",
    "begin",
    "book",
    "bulk_create",
    "bulk_save_objects",
    "cancel",
    "capture",
    "charge",
    "clear",
    "close",
    "commit",
    "create",
    "create_task",
    "deduct",
    "delay",
    "delete",
    "discard",
    "dispatch",
    "emit",
    "enqueue",
    "execute",
    "executemany",
    "extend",
    "flush",
    "insert",
    "insert_many",
    "insert_one",
    "invoke",
    "log",
    "merge",
    "move",
    "notify",
    "patch",
    "pay",
    "pop",
    "popitem",
    "post",
    "publish",
    "push",
    "put",
    "record",
    "refund",
    "register",
    "release",
    "remove",
    "reserve",
    "rollback",
    "run",
    "save",
    "send",
    "send_mail",
    "setattr",
    "setdefault",
    "ship",
    "store",
    "submit",
    "sync",
    "transfer",
    "update",
    "upsert",
    "upload",
    "write",
    "writelines",
    "writerow",
];

/// Work by its name, with how often it is there.
pub(super) type Work = BTreeMap<String, usize>;

/// All work in a statement or expression, nested functions left out.
pub(super) fn of(node: &Node<'_>) -> Work {
    let mut work = Work::new();
    collect(node, &mut work);
    work
}

/// The part of the work that is only done under a condition within the expression itself.
pub(super) fn conditional(node: &Node<'_>) -> Work {
    let mut work = Work::new();
    collect_conditional(node, &mut work);
    work
}

fn collect_conditional(node: &Node<'_>, work: &mut Work) {
    let parts: Vec<Node<'_>> = node.named_children().collect();
    let has_filter = parts.iter().any(|part| part.kind() == "if_clause");
    for (place, part) in parts.iter().enumerate() {
        let hangs = match node.kind().as_ref() {
            "conditional_expression" => place != 1,
            "boolean_operator" => place > 0,
            "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression" => has_filter && place == 0,
            _ => false,
        };
        if hangs {
            collect(part, work);
        } else {
            collect_conditional(part, work);
        }
    }
}

/// True when the work may be mere reading.
pub(super) fn may_be_reading(name: &str) -> bool {
    name.strip_prefix("call ").is_some_and(|call| {
        let lower = call.to_lowercase();
        let verb = lower.split('_').next().unwrap_or(&lower);
        !WRITES.contains(&lower.as_str()) && !WRITES.contains(&verb)
    })
}

/// The last name of what is called.
pub(super) fn called(call: &Node<'_>) -> Option<String> {
    let function = call.field("function")?;
    let name = match function.kind().as_ref() {
        "attribute" => function.field("attribute")?,
        _ => function,
    };
    Some(name.text().into_owned())
}

fn collect(node: &Node<'_>, work: &mut Work) {
    let mut note = |name: String| *work.entry(name).or_default() += 1;
    match node.kind().as_ref() {
        "function_definition" | "class_definition" | "lambda" => return,
        "call" => {
            if let Some(name) = called(node)
                && !PURE.contains(&name.to_lowercase().as_str())
            {
                note(format!("call {name}"));
            }
        }
        "assignment" => {
            if let Some(target) = node.field("left") {
                for name in targets(&target) {
                    note(name);
                }
            }
        }
        "augmented_assignment" => {
            if let Some(target) = node.field("left") {
                note(format!("change of {}", last_name(&target)));
            }
        }
        "raise_statement" => note("raise".to_string()),
        "assert_statement" => note("assert".to_string()),
        "delete_statement" => note("delete".to_string()),
        "yield" => note("yield".to_string()),
        _ => {}
    }
    for child in node.named_children() {
        collect(&child, work);
    }
}

/// What an assignment changes beyond local names.
fn targets(target: &Node<'_>) -> Vec<String> {
    match target.kind().as_ref() {
        "attribute" | "subscript" => vec![format!("change of {}", last_name(target))],
        "pattern_list" | "tuple_pattern" | "list_pattern" => target
            .named_children()
            .flat_map(|inner| targets(&inner))
            .collect(),
        _ => Vec::new(),
    }
}

/// What is changed, by the name that stays when the way to it is written differently.
fn last_name(target: &Node<'_>) -> String {
    match target.kind().as_ref() {
        "attribute" => target.field("attribute"),
        "subscript" => target.field("value"),
        _ => None,
    }
    .map_or_else(|| target.text().into_owned(), |name| last_name(&name))
}
