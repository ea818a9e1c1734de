//! A parsed source file and the nodes of its tree; it keeps the text, and never changes it.

use crate::lines::LineIndex;
use ast_grep_core::AstGrep;
use ast_grep_core::tree_sitter::StrDoc;
use ast_grep_language::SupportLang;
use std::ops::Range;
use thiserror::Error;

/// A node of a tree; its methods are those of ast-grep (`kind`, `field`, `children`, `parent`, `range`, `text`, `dfs`).
pub type Node<'t> = ast_grep_core::Node<'t, StrDoc<SupportLang>>;

/// Why a text could not be parsed at all.
#[derive(Debug, Error)]
pub enum ParseError {
    /// The language is not built in.
    #[error(
        "no parser is built in for the language `{language}`; built in: {}",
        LANGUAGES.join(", ")
    )]
    Language {
        /// The name asked for.
        language: String,
    },
    /// The parser gave no tree.
    #[error("the parser gave no tree: {reason}")]
    NoTree {
        /// What it said.
        reason: String,
    },
    /// Offsets are 32 bits wide in the parser.
    #[error("the text is {bytes} bytes long, more than the 16 MiB that are parsed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// The languages that are built in.
pub const LANGUAGES: &[&str] = &["python"];

const LARGEST: usize = 16 * 1024 * 1024;

/// A parsed text.
pub struct Source {
    root: AstGrep<StrDoc<SupportLang>>,
    lines: LineIndex,
}

impl Source {
    /// Parses Python. A text with syntax errors parses too; [`Source::damage`] counts them.
    pub fn python(text: &str) -> Result<Self, ParseError> {
        Self::parse(text, "python")
    }

    /// Parses a text of the named language.
    pub fn parse(text: &str, language: &str) -> Result<Self, ParseError> {
        if text.len() > LARGEST {
            return Err(ParseError::TooLarge { bytes: text.len() });
        }
        let root = AstGrep::try_new(text, language_named(language)?)
            .map_err(|reason| ParseError::NoTree { reason })?;
        Ok(Self {
            root,
            lines: LineIndex::new(text),
        })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        self.root.get_text()
    }

    /// Lines and columns of the text.
    pub fn lines(&self) -> &LineIndex {
        &self.lines
    }

    /// The node of the whole file.
    pub fn root(&self) -> Node<'_> {
        self.root.root()
    }

    /// All nodes, parents before children, in the order of the text.
    pub fn walk(&self) -> Vec<Node<'_>> {
        self.root().dfs().collect()
    }

    /// The number of places where the parser had to skip or invent something; 0 for a well-formed text.
    pub fn damage(&self) -> usize {
        self.root()
            .dfs()
            .filter(|node| node.is_error() || node.is_missing())
            .count()
    }

    /// The smallest named node that covers the range.
    pub fn covering(&self, range: Range<usize>) -> Option<Node<'_>> {
        if range.start > range.end || range.end > self.text().len() {
            return None;
        }
        let inner = self
            .root()
            .get_inner_node()
            .named_descendant_for_byte_range(range.start, range.end)?;
        Some(self.root.adopt(inner))
    }

    /// The named expression with exactly this range: the innermost one, and never a mere statement around it.
    pub fn exactly(&self, range: Range<usize>) -> Option<Node<'_>> {
        self.covering(range.clone())
            .filter(|node| node.range() == range)
    }

    /// The node with exactly the range from one 1-based line and 0-based byte column to another (exclusive).
    pub fn at(&self, line: u32, column: u32, end_line: u32, end_column: u32) -> Option<Node<'_>> {
        let start = self.lines.byte(line, column)?;
        let end = self.lines.byte(end_line, end_column)?;
        self.exactly(start..end)
    }
}

fn language_named(name: &str) -> Result<SupportLang, ParseError> {
    match name {
        "python" => Ok(SupportLang::Python),
        _ => Err(ParseError::Language {
            language: name.to_string(),
        }),
    }
}

pub(crate) fn language_of(name: &str) -> Option<SupportLang> {
    language_named(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_its_exact_position() {
        let source = Source::python("def f(d):\n    return 'ä', d['k'].x\n").unwrap();
        let node = source.at(2, 17, 2, 23).unwrap();
        assert_eq!(
            (node.kind().as_ref(), node.text().as_ref()),
            ("subscript", "d['k']")
        );
        assert!(source.at(2, 17, 2, 22).is_none());
        assert_eq!(source.covering(28..29).unwrap().kind(), "subscript");
    }

    #[test]
    fn damage_counts_errors() {
        assert_eq!(Source::python("x = 1\n").unwrap().damage(), 0);
        assert!(Source::python("def f(:\n  x = = 2\n").unwrap().damage() > 0);
    }

    #[test]
    fn an_unknown_language_is_refused_by_name() {
        let error = Source::parse("", "cobol").err().unwrap().to_string();
        assert!(
            error.contains("cobol") && error.contains("python"),
            "{error}"
        );
    }
}
