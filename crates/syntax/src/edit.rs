//! Changes of a text: byte ranges and what replaces them, applied together or refused together.

use std::ops::Range;
use thiserror::Error;

/// A range of bytes and what is put in its place; an empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// First byte replaced.
    pub start: usize,
    /// Exclusive.
    pub end: usize,
    /// What is put there.
    pub text: String,
}

/// Why changes were refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EditError {
    /// Two changes touch the same bytes.
    #[error("two changes overlap, at bytes {first:?} and {second:?}")]
    Overlap {
        /// The earlier one.
        first: Range<usize>,
        /// The later one.
        second: Range<usize>,
    },
    /// A change lies outside the text or inside a character.
    #[error("a change at bytes {0:?} does not fit the text")]
    Outside(Range<usize>),
}

impl Change {
    /// Replaces a range.
    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            text: text.into(),
        }
    }

    /// Inserts before a byte.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::replace(at..at, text)
    }
}

/// Applies all changes to the text, or none. Insertions at one place keep their order.
pub fn apply(text: &str, changes: &[Change]) -> Result<String, EditError> {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.start, change.end));
    let mut result = String::with_capacity(text.len() + 256);
    let mut done = 0;
    let mut last = 0..0;
    for change in sorted {
        let range = change.start..change.end;
        if text.get(range.clone()).is_none() {
            return Err(EditError::Outside(range));
        }
        if change.start < done {
            return Err(EditError::Overlap {
                first: last,
                second: range,
            });
        }
        result.push_str(&text[done..change.start]);
        result.push_str(&change.text);
        done = change.end;
        last = range;
    }
    result.push_str(&text[done..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_apply_in_any_order() {
        let changes = [
            Change::replace(4..5, "2"),
            Change::insert(0, "y = "),
            Change::insert(0, "z = "),
        ];
        assert_eq!(apply("x = 1\n", &changes).unwrap(), "y = z = x = 2\n");
    }

    #[test]
    fn overlapping_and_misplaced_changes_are_refused() {
        let overlapping = [Change::replace(0..3, "a"), Change::replace(2..4, "b")];
        assert!(matches!(
            apply("abcdef", &overlapping),
            Err(EditError::Overlap { .. })
        ));
        assert!(matches!(
            apply("ä", &[Change::insert(1, "x")]),
            Err(EditError::Outside(_))
        ));
        assert!(matches!(
            apply("a", &[Change::replace(0..9, "x")]),
            Err(EditError::Outside(_))
        ));
    }
}
