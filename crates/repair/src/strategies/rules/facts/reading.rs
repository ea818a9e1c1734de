//! Facts about how an expression is used: whether it may be repeated, and whether it is only read.

use super::super::context::Context;
use super::super::purity;
use homeostasis_syntax::Node;

/// The expression can be evaluated once more without effect.
pub(super) fn repeatable(context: &Context<'_>, of: Option<&str>) -> Option<()> {
    purity::is_repeatable(context.node(of?)?).then_some(())
}

/// The failing expression is read: not assigned to, not changed in place, not deleted.
pub(super) fn is_read(context: &Context<'_>) -> Option<()> {
    (!is_target(&context.failing)).then_some(())
}

/// Methods of the built-in containers that change what they are called on.
const CHANGING: &[&str] = &[
    "add",
    "append",
    "appendleft",
    "clear",
    "difference_update",
    "discard",
    "extend",
    "insert",
    "intersection_update",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "symmetric_difference_update",
    "update",
];

/// True when the value of the node is written into: a default in its place would take the write, and lose it.
pub(super) fn is_changed_in_place(node: &Node<'_>) -> bool {
    let mut child = node.clone();
    while let Some(parent) = child.parent() {
        let is = |field: &str| {
            parent
                .field(field)
                .is_some_and(|part| part.range() == child.range())
        };
        match parent.kind().as_ref() {
            "subscript" if is("value") => {}
            "attribute" if is("object") => {
                let called = parent.parent().is_some_and(|call| {
                    call.kind() == "call"
                        && call
                            .field("function")
                            .is_some_and(|function| function.range() == parent.range())
                });
                if called {
                    return parent
                        .field("attribute")
                        .is_some_and(|name| CHANGING.contains(&name.text().as_ref()));
                }
            }
            _ => return false,
        }
        if is_target(&parent) {
            return true;
        }
        child = parent;
    }
    false
}

/// True when the node is a target of an assignment, an augmented assignment, `for`, `with` or `del`.
pub(crate) fn is_target(node: &Node<'_>) -> bool {
    let mut child = node.clone();
    while let Some(parent) = child.parent() {
        match parent.kind().as_ref() {
            "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" => {
                return parent
                    .field("left")
                    .is_some_and(|left| left.range() == child.range());
            }
            "delete_statement" | "as_pattern_target" => return true,
            "pattern_list" | "tuple_pattern" | "list_pattern" | "list_splat_pattern"
            | "expression_list" | "tuple" => {}
            _ => return false,
        }
        child = parent;
    }
    false
}
