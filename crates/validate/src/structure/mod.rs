//! Whether an edit hides a failure instead of curing it, seen from the text alone: old against new, function by function.
//!
//! Rules and data, not taste. A remedy may add statements, replace an expression by one with a default, and answer the
//! client with an error. It may not make work skippable that was always done, swallow what was thrown, take away work,
//! checks or conditions, or change the constants that a decision hangs on. Whether a default loses work at run time is
//! not seen here: that is compared by effect.
//!
//! [`statements`] flattens functions, [`work`] says what a statement does, [`refusal`] recognises an answer that tells
//! the client of an error, and [`rules`] compares. [`guesses`] finds the values that an edit makes up.

pub(crate) mod guesses;
mod refusal;
mod rules;
mod statements;
mod work;

use homeostasis_domain::FileEdit;
use homeostasis_syntax::Source;

/// One way in which an edit hides instead of cures.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable code, `silencing. ...`.
    pub code: &'static str,
    /// One sentence for people.
    pub text: String,
    /// What is skipped may be mere reading: where runs show that the route writes nothing, it is no loss.
    pub weak: bool,
}

/// What one edit hides, in the order of the text; empty when nothing.
pub fn compare(edit: &FileEdit) -> Vec<Finding> {
    let unreadable = |which: &str| {
        vec![Finding {
            code: "silencing.unreadable",
            text: format!(
                "the {which} text of {} cannot be parsed, so it cannot be compared",
                edit.path
            ),
            weak: false,
        }]
    };
    let (Ok(old), Ok(new)) = (
        Source::python(&edit.old_text),
        Source::python(&edit.new_text),
    ) else {
        return unreadable("old or new");
    };
    if new.damage() > old.damage() {
        return unreadable("new");
    }
    let (old, new) = (statements::scopes(&old), statements::scopes(&new));
    rules::compare(&old, &new)
}

/// True when the edit makes anything conditional: it adds an `if`, an early exit or a handler.
pub(crate) fn is_guard(edit: &FileEdit) -> bool {
    let count = |text: &str| {
        Source::python(text).map_or(0, |source| {
            let guards = [
                "if_statement",
                "elif_clause",
                "except_clause",
                "return_statement",
                "continue_statement",
                "break_statement",
            ];
            source
                .walk()
                .iter()
                .filter(|node| guards.contains(&node.kind().as_ref()))
                .count()
        })
    };
    count(&edit.new_text) > count(&edit.old_text)
}
