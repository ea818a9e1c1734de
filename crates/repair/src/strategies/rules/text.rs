//! Fills templates in with what was captured, and writes string literals in the style of the file.

use super::context::{Captured, Context};
use homeostasis_rulepack::template::{self, Piece};
use homeostasis_syntax::{Node, literal};

/// A template with the source text of what was captured.
pub(crate) fn fill(context: &Context<'_>, text: &str) -> Result<String, String> {
    template::fill(text, |name| context.text(name))
        .ok_or_else(|| format!("`{text}` needs something that was not captured"))
}

/// A title or rationale for people: literals lose their quotes, the rest is source text.
pub(crate) fn for_people(context: &Context<'_>, text: &str) -> Result<String, String> {
    template::fill(text, |name| match context.captured.get(name)? {
        Captured::Node(node) => {
            Some(literal::string_value(node).unwrap_or_else(|| one_line(&node.text())))
        }
        Captured::Text(text) => Some(one_line(text)),
    })
    .ok_or_else(|| format!("`{text}` needs something that was not captured"))
}

/// The message of a refusal as a Python string expression, an f-string where a name must be filled in at run time.
pub(crate) fn message(context: &Context<'_>, text: &str) -> Result<String, String> {
    let quote = preferred_quote(context.source.text());
    let mut content = String::new();
    let mut formatted = false;
    for piece in template::pieces(text) {
        match piece {
            Piece::Text(plain) => content.push_str(&escape(plain, quote)),
            Piece::Variable(name) => match context.captured.get(name) {
                Some(Captured::Node(node)) => match constant_text(node) {
                    Some(value) => content.push_str(&escape(&value, quote)),
                    None if is_plain_reference(node) => {
                        formatted = true;
                        content.push_str(&format!("{{{}}}", node.text()));
                    }
                    None => return Err(format!("`{}` cannot be put into a message", node.text())),
                },
                Some(Captured::Text(value)) => content.push_str(&escape(value, quote)),
                None => return Err(format!("`{text}` needs something that was not captured")),
            },
        }
    }
    let prefix = if formatted { "f" } else { "" };
    Ok(format!("{prefix}{quote}{content}{quote}"))
}

fn constant_text(node: &Node<'_>) -> Option<String> {
    literal::string_value(node)
        .filter(|value| !value.contains(['{', '}', '\n', '\r']))
        .or_else(|| literal::integer_value(node).map(|value| value.to_string()))
}

/// Names and attribute chains hold no quotes, so they fit into any f-string.
fn is_plain_reference(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "identifier" => true,
        "attribute" => node
            .field("object")
            .is_some_and(|object| is_plain_reference(&object)),
        _ => false,
    }
}

fn escape(text: &str, quote: char) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character == quote || character == '\\' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The quote used most in the file.
pub(crate) fn preferred_quote(text: &str) -> char {
    if text.matches('\'').count() > text.matches('"').count() {
        '\''
    } else {
        '"'
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
