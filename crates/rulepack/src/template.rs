//! Text with metavariables: `$NAME` stands for the source text captured under NAME.

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text as it is.
    Text(&'t str),
    /// A metavariable, without the dollar sign.
    Variable(&'t str),
}

/// Cuts a template into pieces. A metavariable is a dollar sign and capitals, digits and underscores.
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let name = &rest[at + 1..];
        let length = name
            .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
            .unwrap_or(name.len());
        if length == 0 {
            found.push(Piece::Text(&rest[..=at]));
            rest = name;
            continue;
        }
        if at > 0 {
            found.push(Piece::Text(&rest[..at]));
        }
        found.push(Piece::Variable(&name[..length]));
        rest = &name[length..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// The metavariables of a template.
pub fn variables(template: &str) -> Vec<&str> {
    pieces(template)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Fills a template in; `None` when a metavariable has no text.
pub fn fill(template: &str, mut text_of: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Variable(name) => filled.push_str(&text_of(name)?),
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_and_lone_dollars_stay() {
        let filled = fill("$A_1[$KEY] costs 5$", |name| Some(name.to_lowercase()));
        assert_eq!(filled.unwrap(), "a_1[key] costs 5$");
        assert_eq!(fill("$A", |_| None), None);
        assert_eq!(variables("$A if $B"), ["A", "B"]);
    }
}
