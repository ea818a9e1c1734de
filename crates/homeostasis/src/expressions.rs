//! Judges the regular expressions of users: whether every agent can read them, and none can be held up by what it looks at.
//!
//! Agents use the expressions of their own language, which search by trying. So what may be tried is bounded here.

use regex_syntax::hir::{Hir, HirKind, Repetition};
use thiserror::Error;

/// Repetitions without an end in one expression.
const ENDLESS: usize = 2;
/// So often may something be repeated that may be there or not.
const OPTIONAL: u32 = 8;
/// What languages write in different ways, or do not have.
const FOREIGN: [&str; 12] = [
    "\\p", "\\P", "\\z", "\\x{", "\\u{", "\\U{", "\\<", "\\>", "\\b{", "(?<", "[:", "&&",
];

/// Why an expression is not used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is none.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Agents read it in another way, or not at all.
    #[error("has {0}, which not every agent knows")]
    Foreign(&'static str),
    /// It matches where nothing is.
    #[error("matches nothing at all, too")]
    Empty,
    /// A repetition in a repetition: the time it takes doubles with each character.
    #[error("repeats what already repeats, and could take for ever; repeat only one of them")]
    Nested,
    /// A choice in a repetition without an end.
    #[error("repeats a choice without an end, and could take for ever; write {{1,8}} behind it")]
    Choice,
    /// Too many repetitions without an end.
    #[error("repeats without an end more than twice; write {{1,50}} for a + and {{0,50}} for a *")]
    Endless,
}

/// Ok when agents can use this expression.
pub(crate) fn check(expression: &str) -> Result<(), Refusal> {
    if let Some(foreign) = FOREIGN.iter().find(|one| expression.contains(**one)) {
        return Err(Refusal::Foreign(foreign));
    }
    let hir = regex_syntax::parse(expression).map_err(|error| {
        Refusal::Unreadable(match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            other => other.to_string(),
        })
    })?;
    if hir.properties().minimum_len().unwrap_or(0) == 0 {
        return Err(Refusal::Empty);
    }
    let mut endless = 0;
    walk(&hir, Within::Nothing, &mut endless)?;
    if endless > ENDLESS {
        return Err(Refusal::Endless);
    }
    Ok(())
}

/// What is around a part of an expression.
#[derive(Clone, Copy)]
enum Within {
    Nothing,
    /// At most so many repetitions.
    Bounded(u32),
    Endless,
}

fn walk(hir: &Hir, within: Within, endless: &mut usize) -> Result<(), Refusal> {
    match hir.kind() {
        HirKind::Repetition(repetition) => walk_repetition(repetition, within, endless),
        HirKind::Capture(capture) => walk(&capture.sub, within, endless),
        HirKind::Concat(parts) => parts
            .iter()
            .try_for_each(|part| walk(part, within, endless)),
        HirKind::Alternation(_) if matches!(within, Within::Endless) => Err(Refusal::Choice),
        HirKind::Alternation(parts) => parts
            .iter()
            .try_for_each(|part| walk(part, within, endless)),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => Ok(()),
    }
}

fn walk_repetition(
    repetition: &Repetition,
    within: Within,
    endless: &mut usize,
) -> Result<(), Refusal> {
    let varies = repetition.max != Some(repetition.min);
    let optional = repetition.max == Some(1);
    let allowed = match within {
        Within::Nothing => true,
        Within::Bounded(most) => !varies || (optional && most <= OPTIONAL),
        Within::Endless => !varies,
    };
    if !allowed {
        return Err(Refusal::Nested);
    }
    let inside = match (repetition.max, within) {
        (None, _) => {
            *endless += 1;
            Within::Endless
        }
        (Some(0 | 1), outer) => outer,
        (Some(_), Within::Endless) => Within::Endless,
        (Some(most), Within::Bounded(outer)) => Within::Bounded(most.saturating_mul(outer)),
        (Some(most), Within::Nothing) => Within::Bounded(most),
    };
    walk(&repetition.sub, inside, endless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_expressions_are_used() {
        for good in [
            "ACME-\\d{6}",
            "(?i)\\bcustomer-[a-z0-9]{8,40}\\b",
            "[A-Z]{2}(?: ?\\d{4}){3}",
            "key=\\S+",
            "(?:foo|bar)_[0-9a-f]+",
            "(?P<name>ab)+c",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_agents_could_not_use_is_refused_with_its_reason() {
        let unreadable = |text: &str| matches!(check(text), Err(Refusal::Unreadable(_)));
        assert!(unreadable("ACME-(\\d"));
        assert!(unreadable("(?=a)b"));
        assert!(unreadable("(a)\\1"));
        assert_eq!(check("\\p{Greek}+"), Err(Refusal::Foreign("\\p")));
        assert_eq!(check("(?<name>a)"), Err(Refusal::Foreign("(?<")));
        assert_eq!(check("a*"), Err(Refusal::Empty));
        assert_eq!(check(""), Err(Refusal::Empty));
    }

    #[test]
    fn what_could_take_for_ever_is_refused() {
        for nested in [
            "(a+)+b",
            "(?:a*b?)*c",
            "(\\d+,){2,9}x",
            "(?:a?){20}b",
            "((ab?)+)c",
        ] {
            assert_eq!(check(nested), Err(Refusal::Nested), "{nested}");
        }
        assert_eq!(check("(?:ab|a|b)+c"), Err(Refusal::Choice));
        assert_eq!(check("a.*b.*c.*d"), Err(Refusal::Endless));
    }
}
