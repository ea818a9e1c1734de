//! What is known about one failure while a rule looks at it: the tree, the values, the origins, and what was captured.

use super::values;
use homeostasis_domain::capsule::{Exception, Frame};
use homeostasis_domain::{Capsule, Hypothesis, Operand, Origin, Value};
use homeostasis_rulepack::Pack;
use homeostasis_syntax::{Node, Source, place};
use std::collections::BTreeMap;

/// What a metavariable stands for.
#[derive(Clone)]
pub(crate) enum Captured<'t> {
    /// A piece of the source.
    Node(Node<'t>),
    /// Text that a fact worked out.
    Text(String),
}

/// One failure, as a rule sees it.
#[derive(Clone)]
pub(crate) struct Context<'t> {
    /// The file with the failing expression.
    pub(crate) source: &'t Source,
    /// Its path.
    pub(crate) path: &'t str,
    /// All files that were given, parsed.
    pub(crate) sources: &'t BTreeMap<String, Source>,
    /// The failing expression.
    pub(crate) failing: Node<'t>,
    /// What the diagnosis says.
    pub(crate) hypothesis: &'t Hypothesis,
    /// What the agent captured.
    pub(crate) capsule: &'t Capsule,
    /// The rules in force.
    pub(crate) pack: &'t Pack,
    /// What was captured so far.
    pub(crate) captured: BTreeMap<String, Captured<'t>>,
}

impl<'t> Context<'t> {
    /// The node captured under a name.
    pub(crate) fn node(&self, name: &str) -> Option<&Node<'t>> {
        match self.captured.get(name)? {
            Captured::Node(node) => Some(node),
            Captured::Text(_) => None,
        }
    }

    /// The text captured under a name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.captured.get(name)? {
            Captured::Node(node) => Some(node.text().into_owned()),
            Captured::Text(text) => Some(text.clone()),
        }
    }

    /// Binds a name to a text.
    pub(crate) fn bind(&mut self, name: &str, text: impl Into<String>) {
        self.captured
            .insert(name.to_string(), Captured::Text(text.into()));
    }

    /// The operand that is this piece of the source.
    pub(crate) fn operand(&self, node: &Node<'_>) -> Option<&'t Operand> {
        let range = node.range();
        let operands = &self.hypothesis.operands;
        let text = node.text();
        operands
            .iter()
            .find(|operand| operand.start_byte == range.start && operand.end_byte == range.end)
            .or_else(|| operands.iter().find(|operand| operand.text == text))
    }

    /// The value a piece of the source had when it failed, from the diagnosis or worked out from the frame.
    pub(crate) fn value(&self, node: &Node<'_>) -> Option<Value> {
        self.operand(node)
            .and_then(|operand| operand.value.clone())
            .or_else(|| values::evaluate(node, self.frame()?))
    }

    /// Where the value of a piece of the source came from.
    pub(crate) fn origin(&self, node: &Node<'_>) -> Origin {
        self.operand(node)
            .map(|operand| operand.origin.clone())
            .unwrap_or_default()
    }

    /// The frame of the failing expression.
    pub(crate) fn frame(&self) -> Option<&'t Frame> {
        let location = self.hypothesis.location.as_ref()?;
        let frames = self.capsule.exceptions.iter().flat_map(|e| e.frames.iter());
        let mut best: Option<&'t Frame> = None;
        for frame in frames.filter(|frame| frame.file == location.file) {
            let holds = (location.line..=location.end_line).contains(&frame.line);
            if holds && (frame.function == location.function || location.function.is_empty()) {
                best = Some(frame);
            }
        }
        best
    }

    /// The exception the hypothesis is about.
    pub(crate) fn exception(&self) -> Option<&'t Exception> {
        self.capsule
            .exceptions
            .iter()
            .find(|e| {
                e.type_name == self.hypothesis.error
                    || self
                        .hypothesis
                        .error
                        .ends_with(&format!(".{}", e.type_name))
            })
            .or_else(|| self.capsule.thrown())
    }

    /// The function that holds the failing expression.
    pub(crate) fn function(&self) -> Option<Node<'t>> {
        place::function(&self.failing)
    }

    /// The function that holds the failing expression, or the module.
    pub(crate) fn scope(&self) -> Node<'t> {
        self.function().unwrap_or_else(|| self.source.root())
    }
}
