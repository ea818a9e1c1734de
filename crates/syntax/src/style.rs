//! How a text is formatted: its line ends and its indentation, so that an edit looks like what surrounds it.

use crate::place;
use crate::source::{Node, Source};

/// The line end used most in the text; `\n` where there is none.
pub fn line_end(text: &str) -> &'static str {
    let windows = text.matches("\r\n").count();
    let unix = text.matches('\n').count() - windows;
    let old = text.matches('\r').count() - windows;
    if windows > unix && windows >= old {
        "\r\n"
    } else if old > unix {
        "\r"
    } else {
        "\n"
    }
}

/// One level of indentation: what the first indented block of the text adds to its parent; four spaces where there is none.
pub fn indent_unit(source: &Source) -> String {
    for node in source.root().dfs().filter(|node| node.kind() == "block") {
        let Some(owner) = node.parent() else { continue };
        let inner = indentation(source, &node);
        let outer = indentation(source, &owner);
        if let Some(unit) = inner.strip_prefix(outer)
            && !unit.is_empty()
        {
            return unit.to_string();
        }
    }
    "    ".to_string()
}

/// The white space at the beginning of the line on which the node begins.
pub fn indentation<'s>(source: &'s Source, node: &Node<'_>) -> &'s str {
    let text = source.text();
    let (line, _) = source.lines().position(node.range().start);
    let start = source.lines().line_start(line).unwrap_or(0);
    let rest = &text[start..];
    let width = rest.len() - rest.trim_start_matches([' ', '\t', '\u{c}']).len();
    &rest[..width]
}

/// True when only white space precedes the node on its line.
pub fn begins_its_line(source: &Source, node: &Node<'_>) -> bool {
    let text = source.text();
    let start = node.range().start;
    let (line, _) = source.lines().position(start);
    let line_start = source.lines().line_start(line).unwrap_or(0);
    text[line_start..start].trim().is_empty()
}

/// True when the statement shares its line with another statement or with the head of a compound one (`if x: y; z`).
pub fn shares_its_line(source: &Source, node: &Node<'_>) -> bool {
    let Some(statement) = place::statement(node) else {
        return false;
    };
    if !begins_its_line(source, &statement) {
        return true;
    }
    let rest = &source.text()[statement.range().end..];
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    line.trim_start().starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_indentation_are_those_of_the_text() {
        assert_eq!(line_end("a\r\nb\r\n"), "\r\n");
        assert_eq!(line_end("a\nb\r\n\n"), "\n");
        let tabs = Source::python("def f():\n\tif x:\n\t\treturn 1\n").unwrap();
        assert_eq!(indent_unit(&tabs), "\t");
        let two = Source::python("if a: pass\nclass A:\n  x = 1\n").unwrap();
        assert_eq!(indent_unit(&two), "  ");
        assert_eq!(indent_unit(&Source::python("x = 1").unwrap()), "    ");
    }

    #[test]
    fn statements_that_share_a_line_are_recognised() {
        let source = Source::python("if x: return d['k']\na = 1; b = 2\nc = 3\n").unwrap();
        let at = |text: &str| {
            let start = source.text().find(text).unwrap();
            source.exactly(start..start + text.len()).unwrap()
        };
        assert!(shares_its_line(&source, &at("d['k']")));
        assert!(shares_its_line(&source, &at("1")));
        assert!(shares_its_line(&source, &at("2")));
        assert!(!shares_its_line(&source, &at("3")));
    }
}
