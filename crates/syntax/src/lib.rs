//! Source text as a tree: parsing, places in the tree, structural match, scope facts and structural edits.
//!
//! It knows languages, never faults: nothing here decides what is wrong with a program or what would be right.
//!
//! In reading order: [`lines`] counts lines and columns, [`source`] parses, [`place`] tells what encloses a node,
//! [`matching`] matches patterns, [`literal`] reads literals, [`scope`] tells what names are bound to, [`style`] tells
//! how the text is formatted, and [`edit`] changes it.

pub mod edit;
pub mod lines;
pub mod literal;
pub mod matching;
pub mod place;
pub mod scope;
pub mod source;
pub mod style;

pub use edit::{Change, EditError};
pub use lines::LineIndex;
pub use matching::{Captures, Matcher, MatcherError};
pub use source::{Node, ParseError, Source};
