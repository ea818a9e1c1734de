//! Whether an expression may be evaluated once more without any effect; unsure means no.

use homeostasis_syntax::Node;

/// Functions whose call only reads its arguments.
const READING_FUNCTIONS: &[&str] = &[
    "len",
    "int",
    "float",
    "str",
    "bool",
    "abs",
    "min",
    "max",
    "round",
    "isinstance",
    "type",
    "repr",
    "sum",
    "sorted",
    "tuple",
    "list",
    "dict",
    "set",
    "frozenset",
    "range",
    "getattr",
    "hasattr",
    "ord",
    "chr",
    "Decimal",
    "decimal.Decimal",
    "UUID",
    "uuid.UUID",
    "date.fromisoformat",
    "datetime.fromisoformat",
    "datetime.date.fromisoformat",
    "datetime.datetime.fromisoformat",
    "time.fromisoformat",
    "datetime.strptime",
    "datetime.datetime.strptime",
    "json.loads",
    "complex",
    "Fraction",
    "fractions.Fraction",
    "ipaddress.ip_address",
    "ipaddress.ip_network",
    "base64.b64decode",
    "bytes.fromhex",
];

/// Methods whose call only reads, on texts, mappings and the request objects of the frameworks.
const READING_METHODS: &[&str] = &[
    "get",
    "isoformat",
    "strftime",
    "date",
    "total_seconds",
    "most_common",
    "format",
    "keys",
    "values",
    "items",
    "copy",
    "strip",
    "lstrip",
    "rstrip",
    "lower",
    "upper",
    "title",
    "casefold",
    "split",
    "rsplit",
    "splitlines",
    "partition",
    "rpartition",
    "replace",
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "join",
    "encode",
    "decode",
    "count",
    "index",
    "find",
    "isdigit",
    "isnumeric",
    "isalpha",
    "get_json",
    "get_data",
    "getlist",
    "getall",
    "json",
    "form",
    "group",
    "groups",
];

/// True when the expression is made of names, attributes, subscripts, literals, operators, and calls known to only read.
pub(crate) fn is_repeatable(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "call" => call_only_reads(node) && children_are_repeatable(node),
        "await" => node
            .named_children()
            .all(|child| is_request_read(&child) && is_repeatable(&child)),
        "named_expression" | "yield" | "lambda" | "assignment" | "augmented_assignment" => false,
        "list_comprehension"
        | "set_comprehension"
        | "dictionary_comprehension"
        | "generator_expression" => {
            !node.dfs().any(|n| n.kind() == "async") && children_are_repeatable(node)
        }
        _ => children_are_repeatable(node),
    }
}

fn children_are_repeatable(node: &Node<'_>) -> bool {
    node.named_children().all(|child| is_repeatable(&child))
}

fn call_only_reads(call: &Node<'_>) -> bool {
    let Some(callee) = call.field("function") else {
        return false;
    };
    if READING_FUNCTIONS.contains(&callee.text().as_ref()) {
        return true;
    }
    callee.kind() == "attribute"
        && callee
            .field("attribute")
            .is_some_and(|name| READING_METHODS.contains(&name.text().as_ref()))
}

/// Starlette keeps a body once it was read, so that awaiting it again gives the same.
fn is_request_read(node: &Node<'_>) -> bool {
    let text = node.text();
    ["request.json()", "request.form()", "request.body()"].contains(&text.as_ref())
}

/// True for a call that only reads text into a value, and raises when the text is not of its form.
pub(crate) fn is_parser(callee: &str) -> bool {
    const PARSERS: &[&str] = &[
        "int",
        "float",
        "complex",
        "Decimal",
        "Fraction",
        "UUID",
        "fromisoformat",
        "strptime",
        "loads",
        "b64decode",
        "fromhex",
        "ip_address",
        "ip_network",
        "fromtimestamp",
        "unhexlify",
    ];
    let last = callee.rsplit('.').next().unwrap_or(callee);
    PARSERS.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use homeostasis_syntax::Source;

    fn repeatable(text: &str) -> bool {
        let source = Source::python(text).unwrap();
        is_repeatable(&source.exactly(0..text.len()).unwrap())
    }

    #[test]
    fn only_what_is_known_to_read_may_be_evaluated_again() {
        for pure in [
            "data['a'][0].b",
            "request.get_json()",
            "int(x.strip())",
            "await request.json()",
            "a if b else c",
        ] {
            assert!(repeatable(pure), "{pure}");
        }
        for impure in [
            "next(rows)",
            "(x := y)",
            "queue.pop()",
            "await fetch()",
            "f(x)",
            "cursor.fetchone()['a']",
        ] {
            assert!(!repeatable(impure), "{impure}");
        }
    }
}
