//! What encloses a node: its statement, block, function, class; and where a statement could be put before it.

use crate::source::{Node, Source};

/// Kinds of simple statements in Python's grammar.
const SIMPLE: &[&str] = &[
    "assert_statement",
    "break_statement",
    "continue_statement",
    "delete_statement",
    "exec_statement",
    "expression_statement",
    "future_import_statement",
    "global_statement",
    "import_from_statement",
    "import_statement",
    "nonlocal_statement",
    "pass_statement",
    "print_statement",
    "raise_statement",
    "return_statement",
    "type_alias_statement",
];

/// Kinds of compound statements in Python's grammar.
const COMPOUND: &[&str] = &[
    "class_definition",
    "for_statement",
    "function_definition",
    "if_statement",
    "match_statement",
    "try_statement",
    "while_statement",
    "with_statement",
];

/// True for a simple or compound statement. A decorated definition is one statement with its definition inside.
pub fn is_statement(node: &Node<'_>) -> bool {
    let kind = node.kind();
    SIMPLE.contains(&kind.as_ref())
        || COMPOUND.contains(&kind.as_ref())
        || kind == "decorated_definition"
}

/// True for a statement that holds no other statement.
pub fn is_simple_statement(node: &Node<'_>) -> bool {
    SIMPLE.contains(&node.kind().as_ref())
}

/// The node itself and all that encloses it, innermost first.
pub fn outward<'t>(node: &Node<'t>) -> impl Iterator<Item = Node<'t>> {
    let mut next = Some(node.clone());
    std::iter::from_fn(move || {
        let current = next.take()?;
        next = current.parent();
        Some(current)
    })
}

/// The innermost statement the node is part of; the node itself when it is one.
pub fn statement<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    let found = outward(node).find(is_statement)?;
    // A decorated definition begins at its decorators, which is where a statement before it belongs.
    match found.parent() {
        Some(parent) if parent.kind() == "decorated_definition" => Some(parent),
        _ => Some(found),
    }
}

/// The innermost `def` around the node (not the node itself); lambdas are not counted.
pub fn function<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    outward(node)
        .skip(1)
        .find(|outer| outer.kind() == "function_definition")
}

/// The innermost class around the node (not the node itself).
pub fn class<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    outward(node)
        .skip(1)
        .find(|outer| outer.kind() == "class_definition")
}

/// The class whose body holds this function directly.
pub fn class_of_method<'t>(function: &Node<'t>) -> Option<Node<'t>> {
    outward(function)
        .skip(1)
        .find(|outer| {
            matches!(
                outer.kind().as_ref(),
                "class_definition" | "function_definition"
            )
        })
        .filter(|outer| outer.kind() == "class_definition")
}

/// The innermost block or module whose statement the node is part of.
pub fn block<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    let statement = statement(node)?;
    statement
        .parent()
        .filter(|parent| matches!(parent.kind().as_ref(), "block" | "module"))
}

/// The innermost loop around the node, without leaving the function.
pub fn enclosing_loop<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    outward(node)
        .skip(1)
        .take_while(|outer| outer.kind() != "function_definition")
        .find(|outer| matches!(outer.kind().as_ref(), "for_statement" | "while_statement"))
}

/// The scope that evaluates the node's expression later or repeatedly than its statement, where there is one:
/// a lambda, a comprehension, a generator. A statement put before the enclosing statement would then be in the wrong place.
pub fn deferred<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    outward(node)
        .skip(1)
        .take_while(|outer| !is_statement(outer))
        .find(|outer| {
            matches!(
                outer.kind().as_ref(),
                "lambda"
                    | "list_comprehension"
                    | "set_comprehension"
                    | "dictionary_comprehension"
                    | "generator_expression"
            )
        })
}

/// The qualified name of a function or class as Python builds it (`Order.total`, `create.<locals>.inner`).
pub fn qualified_name(definition: &Node<'_>) -> String {
    let mut parts = vec![name_of(definition)];
    for outer in outward(definition).skip(1) {
        match outer.kind().as_ref() {
            "class_definition" => parts.push(name_of(&outer)),
            "function_definition" => {
                parts.push("<locals>".to_string());
                parts.push(name_of(&outer));
            }
            _ => {}
        }
    }
    parts.reverse();
    parts.join(".")
}

/// Every function and class of the file with its qualified name, in the order of the text.
pub fn definitions(source: &Source) -> Vec<(String, Node<'_>)> {
    source
        .root()
        .dfs()
        .filter(|node| {
            matches!(
                node.kind().as_ref(),
                "function_definition" | "class_definition"
            )
        })
        .map(|node| (qualified_name(&node), node))
        .collect()
}

/// The function with this qualified name that holds the 1-based line, or the first with that name.
pub fn function_named<'t>(
    source: &'t Source,
    qualified: &str,
    line: Option<u32>,
) -> Option<Node<'t>> {
    let named: Vec<Node<'t>> = definitions(source)
        .into_iter()
        .filter(|(name, node)| name == qualified && node.kind() == "function_definition")
        .map(|(_, node)| node)
        .collect();
    let holds = |node: &Node<'t>| {
        let range = node.range();
        let (first, _) = source.lines().position(range.start);
        let (last, _) = source.lines().position(range.end);
        line.is_none_or(|line| (first..=last).contains(&line))
    };
    named
        .iter()
        .find(|node| holds(node))
        .or(named.first())
        .cloned()
}

fn name_of(definition: &Node<'_>) -> String {
    definition
        .field("name")
        .map(|name| name.text().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "class A:\n    @wrap\n    def m(self):\n        def inner(x):\n            for i in x:\n                y = [k['a'] for k in i]\n            return y\n        return inner\n";

    fn node<'t>(source: &'t Source, text: &str) -> Node<'t> {
        let start = source.text().find(text).unwrap();
        source.exactly(start..start + text.len()).unwrap()
    }

    #[test]
    fn places_are_the_innermost_ones() {
        let source = Source::python(TEXT).unwrap();
        let failing = node(&source, "k['a']");
        assert_eq!(
            statement(&failing).unwrap().text(),
            "y = [k['a'] for k in i]"
        );
        assert_eq!(
            qualified_name(&function(&failing).unwrap()),
            "A.m.<locals>.inner"
        );
        assert_eq!(class(&failing).unwrap().field("name").unwrap().text(), "A");
        assert!(enclosing_loop(&failing).is_some());
        assert_eq!(deferred(&failing).unwrap().kind(), "list_comprehension");
        assert_eq!(block(&failing).unwrap().kind(), "block");
    }

    #[test]
    fn functions_are_found_by_qualified_name() {
        let source = Source::python(TEXT).unwrap();
        let found = function_named(&source, "A.m.<locals>.inner", Some(6)).unwrap();
        assert_eq!(found.field("name").unwrap().text(), "inner");
        assert!(function_named(&source, "A.n", None).is_none());
        assert!(class_of_method(&found).is_none());
        let method = function_named(&source, "A.m", None).unwrap();
        assert_eq!(class_of_method(&method).unwrap().kind(), "class_definition");
        assert_eq!(statement(&method).unwrap().kind(), "decorated_definition");
    }
}
