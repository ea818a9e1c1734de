//! The frozen input as the engines see it: the exception to explain, its frames, and sources parsed when first needed.

use crate::Input;
use crate::chain::{self, Chosen};
use crate::evaluate::Known;
use homeostasis_domain::capsule::{Exception, Frame};
use homeostasis_syntax::{Node, Source};
use sha2::{Digest, Sha256};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// Texts larger than this are not parsed: a hand-written module is never so long, and time is bounded.
const LARGEST_SOURCE: usize = 2 * 1024 * 1024;

/// Brackets nested deeper than this are not parsed: walking such a tree could exhaust the stack.
const DEEPEST_NESTING: usize = 400;

/// Nodes nested deeper than this do not occur in code that a person wrote.
const DEEPEST_TREE: usize = 500;

/// One failure under examination.
pub(crate) struct Case<'a> {
    /// What was given.
    pub(crate) input: &'a Input<'a>,
    /// Which exception of the chain is explained.
    pub(crate) chosen: Chosen,
    trees: BTreeMap<&'a str, OnceCell<Option<Source>>>,
}

/// How far the text at hand can be trusted to be the text that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The content hash or the line agrees.
    Same,
    /// The file has another hash, the line is as it was.
    FileChanged,
    /// The line is not the one that failed.
    LineChanged,
}

/// A frame with its parsed file.
pub(crate) struct Spot<'c> {
    /// Position among the frames of the exception.
    pub(crate) index: usize,
    /// The frame.
    pub(crate) frame: &'c Frame,
    /// Its file.
    pub(crate) source: &'c Source,
    /// Whether the file is still what ran.
    pub(crate) trust: Trust,
    known: Known<'c>,
}

impl<'c> Spot<'c> {
    /// What values of its expressions are read from.
    pub(crate) fn known(&self) -> &Known<'c> {
        &self.known
    }
}

impl<'a> Case<'a> {
    pub(crate) fn new(input: &'a Input<'a>) -> Self {
        Self {
            input,
            chosen: chain::choose(input.capsule),
            trees: input
                .sources
                .keys()
                .map(|path| (path.as_str(), OnceCell::new()))
                .collect(),
        }
    }

    /// The exception to explain.
    pub(crate) fn exception(&self) -> Option<&'a Exception> {
        self.input.capsule.exceptions.get(self.chosen.index)
    }

    /// The parsed file, where it is at hand and can be parsed.
    pub(crate) fn source(&self, file: &str) -> Option<&Source> {
        self.trees
            .get(file)?
            .get_or_init(|| {
                let text = self.input.sources.get(file)?;
                if text.len() > LARGEST_SOURCE || nesting(text) > DEEPEST_NESTING {
                    return None;
                }
                Source::python(text).ok().filter(is_shallow)
            })
            .as_ref()
    }

    /// The innermost frame of the program itself, and whether other code ran below it.
    pub(crate) fn failing(&self) -> Option<(usize, &'a Frame, bool)> {
        let frames = &self.exception()?.frames;
        let index = frames.iter().rposition(|frame| frame.in_app)?;
        Some((index, &frames[index], index + 1 < frames.len()))
    }

    /// The frame with this position, with its file.
    pub(crate) fn spot(&self, index: usize) -> Option<Spot<'_>> {
        let frame = self.exception()?.frames.get(index)?;
        let source = self.source(&frame.file)?;
        Some(Spot {
            index,
            frame,
            source,
            trust: trust(frame, source),
            known: Known {
                frame,
                request: self.input.capsule.request.as_ref(),
            },
        })
    }

    /// The file of a module of the program, found by its dotted name among the sources.
    pub(crate) fn file_of_module(&self, module: &str) -> Option<&'a str> {
        if module.is_empty() || module.len() > 300 {
            return None;
        }
        let path = module.replace('.', "/");
        let (plain, package) = (format!("/{path}.py"), format!("/{path}/__init__.py"));
        self.input
            .sources
            .keys()
            .find(|file| file.ends_with(&plain) || file.ends_with(&package))
            .map(String::as_str)
    }

    /// True when the module belongs to the program: its file is among the sources, or a frame says so.
    pub(crate) fn is_own_module(&self, module: &str) -> bool {
        if module == "builtins" {
            return false;
        }
        let frames = || {
            self.input
                .capsule
                .exceptions
                .iter()
                .flat_map(|exception| &exception.frames)
        };
        if let Some(frame) = frames().find(|frame| frame.module == module) {
            return frame.in_app;
        }
        self.file_of_module(module).is_some()
    }
}

fn trust(frame: &Frame, source: &Source) -> Trust {
    let same_file = frame.source_sha256.as_ref().map(|expected| {
        hex::encode(Sha256::digest(source.text().as_bytes())) == expected.to_lowercase()
    });
    if same_file == Some(true) {
        return Trust::Same;
    }
    let same_line = line_text(source, frame.line)
        .map(|line| frame.text.is_empty() || line.trim() == frame.text.trim());
    match (same_line, same_file) {
        (Some(true), Some(false)) => Trust::FileChanged,
        (Some(true), _) => Trust::Same,
        _ => Trust::LineChanged,
    }
}

/// The text of a 1-based line.
pub(crate) fn line_text(source: &Source, line: u32) -> Option<&str> {
    let start = source.lines().line_start(line)?;
    let end = line
        .checked_add(1)
        .and_then(|next| source.lines().line_start(next))
        .unwrap_or(source.text().len());
    source.text().get(start..end)
}

/// True when no node lies deeper than `DEEPEST_TREE`: looking up parents takes time by depth, and recursion takes stack.
fn is_shallow(source: &Source) -> bool {
    let root = source.root().get_inner_node();
    let mut cursor = root.walk();
    let mut depth = 0_usize;
    loop {
        if cursor.goto_first_child() {
            depth += 1;
            if depth > DEEPEST_TREE {
                return false;
            }
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return true;
            }
            depth -= 1;
        }
    }
}

/// How deep brackets nest at most; strings and comments are counted too, which only makes the figure larger.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The node's text, at most about `limit` characters on one line.
pub(crate) fn one_line(node: &Node<'_>, limit: usize) -> String {
    let text = node.text();
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    homeostasis_domain::value::shorten(&joined, limit)
}
