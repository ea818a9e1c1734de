//! Reads literals of Python source: texts, numbers, constants. It never evaluates anything.

use crate::source::Node;

/// The text of a plain string literal (adjacent literals joined); `None` for f-strings, bytes and all else.
pub fn string_value(node: &Node<'_>) -> Option<String> {
    match node.kind().as_ref() {
        "string" => one_string(node),
        "concatenated_string" => node
            .named_children()
            .filter(|child| child.kind() != "comment")
            .map(|child| one_string(&child))
            .collect(),
        "parenthesized_expression" => {
            let inner = only_child(node)?;
            string_value(&inner)
        }
        _ => None,
    }
}

/// The value of an integer literal, with a leading minus allowed.
pub fn integer_value(node: &Node<'_>) -> Option<i64> {
    match node.kind().as_ref() {
        "integer" => {
            let text = node.text().replace('_', "").to_ascii_lowercase();
            let (digits, radix) = match text.get(..2) {
                Some("0x") => (&text[2..], 16),
                Some("0o") => (&text[2..], 8),
                Some("0b") => (&text[2..], 2),
                _ => (text.as_str(), 10),
            };
            i64::from_str_radix(digits, radix).ok()
        }
        "unary_operator" if node.field("operator")?.text() == "-" => {
            integer_value(&node.field("argument")?)?.checked_neg()
        }
        "parenthesized_expression" => integer_value(&only_child(node)?),
        _ => None,
    }
}

/// True for an expression made of literals only, whose evaluation has no effect and always gives an equal value.
pub fn is_constant(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "integer" | "float" | "true" | "false" | "none" | "ellipsis" => true,
        "string" => !node.children().any(|child| child.kind() == "interpolation"),
        "unary_operator"
        | "parenthesized_expression"
        | "list"
        | "tuple"
        | "set"
        | "dictionary"
        | "pair"
        | "concatenated_string" => node.named_children().all(|child| is_constant(&child)),
        _ => false,
    }
}

/// True for a list, dictionary or set display and for a call of `list`, `dict` or `set`: a value that can be changed in place.
pub fn is_mutable_display(node: &Node<'_>) -> bool {
    match node.kind().as_ref() {
        "list"
        | "dictionary"
        | "set"
        | "list_comprehension"
        | "dictionary_comprehension"
        | "set_comprehension" => true,
        "call" => node
            .field("function")
            .is_some_and(|callee| matches!(callee.text().as_ref(), "list" | "dict" | "set")),
        _ => false,
    }
}

fn one_string(node: &Node<'_>) -> Option<String> {
    if node.kind() != "string" {
        return None;
    }
    let opening = node
        .children()
        .find(|child| child.kind() == "string_start")?
        .text()
        .to_ascii_lowercase();
    let prefix = opening.trim_end_matches(['"', '\'']);
    if prefix.contains(['f', 'b', 't']) {
        return None;
    }
    let raw = prefix.contains('r');
    let mut text = String::new();
    for content in node
        .children()
        .filter(|child| child.kind() == "string_content")
    {
        if raw {
            text.push_str(&content.text());
        } else {
            unescape(&content.text(), &mut text)?;
        }
    }
    Some(text)
}

/// Undoes Python's escapes; `None` for named characters, which need a table that is not worth its weight.
fn unescape(escaped: &str, into: &mut String) -> Option<()> {
    let mut characters = escaped.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            into.push(character);
            continue;
        }
        match characters.next()? {
            '\n' => {}
            '\r' => {
                characters.next_if_eq(&'\n');
            }
            'n' => into.push('\n'),
            't' => into.push('\t'),
            'r' => into.push('\r'),
            'a' => into.push('\u{7}'),
            'b' => into.push('\u{8}'),
            'f' => into.push('\u{c}'),
            'v' => into.push('\u{b}'),
            quoted @ ('\\' | '\'' | '"') => into.push(quoted),
            'x' => into.push(hexadecimal(&mut characters, 2)?),
            'u' => into.push(hexadecimal(&mut characters, 4)?),
            'U' => into.push(hexadecimal(&mut characters, 8)?),
            'N' => return None,
            first @ '0'..='7' => {
                let mut code = first.to_digit(8)?;
                for _ in 0..2 {
                    let Some(next) = characters.next_if(|next| next.is_digit(8)) else {
                        break;
                    };
                    code = code * 8 + next.to_digit(8)?;
                }
                into.push(char::from_u32(code)?);
            }
            other => {
                into.push('\\');
                into.push(other);
            }
        }
    }
    Some(())
}

fn hexadecimal(characters: &mut impl Iterator<Item = char>, digits: usize) -> Option<char> {
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + characters.next()?.to_digit(16)?;
    }
    char::from_u32(code)
}

fn only_child<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    node.named_children()
        .find(|child| child.kind() != "comment")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    fn read(text: &str) -> (Option<String>, Option<i64>, bool) {
        let source = Source::python(text).unwrap();
        let node = source.exactly(0..text.len()).unwrap();
        (
            string_value(&node),
            integer_value(&node),
            is_constant(&node),
        )
    }

    #[test]
    fn strings_are_read_as_python_reads_them() {
        assert_eq!(read(r#"'a\tb\x41\101\'\q'"#).0.unwrap(), "a\tbAA'\\q");
        assert_eq!(read(r#"r'a\tb'"#).0.unwrap(), "a\\tb");
        assert_eq!(read(r#"("a" 'b')"#).0.unwrap(), "ab");
        assert_eq!(read("''").0.unwrap(), "");
        assert_eq!(read("f'a{b}'").0, None);
        assert_eq!(read("b'a'").0, None);
    }

    #[test]
    fn integers_are_read_in_every_notation() {
        assert_eq!(read("-1_000").1, Some(-1000));
        assert_eq!(read("0xff").1, Some(255));
        assert_eq!(read("1.5").1, None);
    }

    #[test]
    fn constants_hold_no_names() {
        assert!(read("{'a': [1, -2, (None, True)]}").2);
        assert!(!read("[a]").2);
        assert!(!read("f'{a}'").2);
    }
}
