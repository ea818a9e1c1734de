//! Values that an edit makes up: literals that stand in for something that was missing. Replacing them by others shows,
//! at run time, where they end up; whether they are right is not known here.

use super::work;
use homeostasis_domain::FileEdit;
use homeostasis_syntax::{Node, Source};
use std::collections::BTreeMap;

/// The edit's new text with every made-up value replaced by another one of its kind, and those values as written;
/// `None` when it makes up none that can be replaced.
pub(crate) fn replaced(edit: &FileEdit) -> Option<(String, Vec<String>)> {
    let (old, new) = (
        Source::python(&edit.old_text).ok()?,
        Source::python(&edit.new_text).ok()?,
    );
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for node in old.walk() {
        if let Some(place) = standing_in(&node) {
            *known.entry(super::statements::plain(&place)).or_default() += 1;
        }
    }
    let mut changes = Vec::new();
    for node in new.walk() {
        let Some(place) = standing_in(&node) else {
            continue;
        };
        match known.get_mut(&super::statements::plain(&place)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => changes
                .extend(other(&node).map(|other| (node.range(), other, node.text().into_owned()))),
        }
    }
    if changes.is_empty() {
        return None;
    }
    let mut text = edit.new_text.clone();
    changes.sort_by_key(|(range, _, _)| std::cmp::Reverse(range.start));
    for (range, other, _) in &changes {
        text.replace_range(range.clone(), other);
    }
    Some((
        text,
        changes
            .into_iter()
            .rev()
            .map(|(_, _, literal)| literal)
            .collect(),
    ))
}

/// For a literal that gives a default: the expression or statement in which it does.
fn standing_in<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    if !matches!(node.kind().as_ref(), "integer" | "float" | "string") {
        return None;
    }
    let mut inner = node.clone();
    let mut parent = node.parent()?;
    while matches!(
        parent.kind().as_ref(),
        "unary_operator" | "parenthesized_expression"
    ) {
        inner = parent.clone();
        parent = parent.parent()?;
    }
    let place = parent
        .named_children()
        .position(|child| child.range() == inner.range())?;
    let is_default = match parent.kind().as_ref() {
        "argument_list" => {
            let call = parent.parent()?;
            let first = match work::called(&call)?.as_str() {
                "get" | "pop" | "setdefault" | "getenv" | "next" => 1,
                "getattr" => 2,
                _ => return None,
            };
            return (place >= first).then_some(call);
        }
        "boolean_operator" => place > 0,
        "conditional_expression" => place != 1,
        "return_statement" => true,
        "assignment" => place > 0,
        _ => false,
    };
    is_default.then_some(parent)
}

/// Another value of the same kind, unlike any that a program has by itself.
fn other(literal: &Node<'_>) -> Option<String> {
    let text = literal.text();
    match literal.kind().as_ref() {
        "integer" => {
            let number: i64 = text.parse().ok()?;
            Some(number.checked_add(7919)?.to_string())
        }
        "float" => {
            let number: f64 = text.parse().ok()?;
            Some(format!("{:?}", number + 7919.5))
        }
        "string" => {
            let end = literal
                .children()
                .find(|child| child.kind() == "string_end")?;
            let at = end.range().start - literal.range().start;
            Some(format!("{}7919{}", text.get(..at)?, text.get(at..)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expect: Option<&str>) {
        let found = replaced(&FileEdit::new("/a.py", old, new)).map(|(text, _)| text);
        assert_eq!(found.as_deref(), expect);
    }

    #[test]
    fn only_what_the_edit_makes_up_is_replaced() {
        check(
            "x = d['a']\ny = e.get('b', 2)\n",
            "x = d.get('a', 0)\ny = e.get('b', 2)\n",
            Some("x = d.get('a', 7919)\ny = e.get('b', 2)\n"),
        );
        check(
            "x = d['a']\n",
            "x = d.get('a', 'no')\n",
            Some("x = d.get('a', 'no7919')\n"),
        );
        check(
            "x = a / b\n",
            "x = a / b if b else 0.5\n",
            Some("x = a / b if b else 7920.0\n"),
        );
        check("x = f(a)\n", "x = f(a or 1)\n", Some("x = f(a or 7920)\n"));
        check(
            "def f(a):\n    return a[0]\n",
            "def f(a):\n    if not a:\n        return 0\n    return a[0]\n",
            Some("def f(a):\n    if not a:\n        return 7919\n    return a[0]\n"),
        );
    }

    #[test]
    fn an_edit_that_makes_nothing_up_has_nothing_to_replace() {
        check("f(1)\n", "f(1, 2)\n", None);
        check("x = d['a']\n", "x = d.get('a')\n", None);
        check(
            "g()\n",
            "if n == 0:\n    abort(400, 'n is zero')\ng()\n",
            None,
        );
    }
}
