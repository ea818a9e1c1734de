//! Whether a rule's conditions hold. What is not known does not hold, nor does its opposite.

use super::context::Context;
use super::{facts, values};
use homeostasis_domain::Value;
use homeostasis_rulepack::rule::{Condition, Literal};
use homeostasis_syntax::{Node, literal};

/// How a condition turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It cannot be told.
    Unknown,
}

impl Answer {
    fn of(holds: bool) -> Self {
        if holds { Answer::Yes } else { Answer::No }
    }
}

/// True when all conditions hold; what they bind is added to the context.
pub(crate) fn all_hold(context: &mut Context<'_>, conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .all(|condition| ask(context, condition) == Answer::Yes)
}

fn ask(context: &mut Context<'_>, condition: &Condition) -> Answer {
    let Condition {
        of,
        types,
        none,
        empty,
        zero,
        literal,
        text,
        origin,
        message,
        fact,
        any,
        not,
    } = condition;
    let subject = of.as_deref().and_then(|name| context.node(name)).cloned();
    let value = subject.as_ref().and_then(|node| context.value(node));
    let mut answers = Vec::new();
    if let Some(types) = types {
        answers.push(known(&value, |value| has_type(value, types)));
    }
    if let Some(wanted) = none {
        answers.push(known(&value, |value| (*value == Value::None) == *wanted));
    }
    if let Some(wanted) = empty {
        answers.push(match value.as_ref().and_then(Value::len) {
            Some(length) => Answer::of((length == 0) == *wanted),
            None => Answer::Unknown,
        });
    }
    if let Some(wanted) = zero {
        answers.push(known(&value, |value| values::is_zero(value) == *wanted));
    }
    if let Some(kind) = literal {
        answers.push(
            subject
                .as_ref()
                .map_or(Answer::No, |node| Answer::of(is_literal(node, *kind))),
        );
    }
    if let Some(texts) = text {
        let written = of.as_deref().and_then(|name| context.text(name));
        answers.push(written.map_or(Answer::No, |written| Answer::of(texts.contains(&written))));
    }
    if let Some(origins) = origin {
        answers.push(match &subject {
            Some(node) => {
                let name = context.origin(node).name();
                let matches = |wanted: &String| {
                    name == wanted
                        || name
                            .strip_prefix(wanted.as_str())
                            .is_some_and(|rest| rest.starts_with('.'))
                };
                Answer::of(origins.iter().any(matches))
            }
            None => Answer::No,
        });
    }
    if let Some(parts) = message {
        let said = context
            .exception()
            .map(|exception| exception.message.clone())
            .unwrap_or_default();
        answers.push(Answer::of(parts.iter().any(|part| said.contains(part))));
    }
    if let Some(fact) = fact {
        answers.push(Answer::of(facts::holds(context, *fact, of.as_deref())));
    }
    if let Some(any) = any {
        // The first that holds binds; the others are not asked.
        let held = any.iter().any(|inner| ask(context, inner) == Answer::Yes);
        answers.push(Answer::of(held));
    }
    if let Some(not) = not {
        let mut aside = context.clone();
        answers.push(match ask(&mut aside, not) {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Unknown => Answer::Unknown,
        });
    }
    if answers.iter().all(|answer| *answer == Answer::Yes) {
        Answer::Yes
    } else if answers.contains(&Answer::No) {
        Answer::No
    } else {
        Answer::Unknown
    }
}

fn known(value: &Option<Value>, holds: impl Fn(&Value) -> bool) -> Answer {
    match value {
        Some(value) => Answer::of(holds(value)),
        None => Answer::Unknown,
    }
}

fn has_type(value: &Value, types: &[String]) -> bool {
    let name = value.type_name();
    let last = name.rsplit('.').next().unwrap_or(name);
    types.iter().any(|wanted| wanted == name || wanted == last)
}

fn is_literal(node: &Node<'_>, kind: Literal) -> bool {
    match kind {
        Literal::String => literal::string_value(node).is_some(),
        Literal::Integer => literal::integer_value(node).is_some(),
        Literal::Constant => literal::is_constant(node),
    }
}
