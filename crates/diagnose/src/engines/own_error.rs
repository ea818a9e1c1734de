//! Failures that the program declared itself, by `raise` or `assert`: a rule of its own was broken, and no local edit is right.

use crate::case::Case;
use crate::examine::Examined;
use homeostasis_domain::FaultCode;
use homeostasis_domain::diagnosis::{Cause, Hypothesis};
use homeostasis_domain::value::shorten;

const NAME: &str = "own_error";

pub(crate) fn run(case: &Case<'_>, examined: &Examined) -> Vec<Hypothesis> {
    let Some(exception) = case.exception() else {
        return Vec::new();
    };
    let own_class = case.is_own_module(&exception.module);
    let ends_in_program = exception.frames.last().is_some_and(|frame| frame.in_app);
    let (confidence, how) = match (&examined.raised, own_class) {
        (Some(statement), true) => (
            0.97,
            format!("`{statement}` raised an exception class of the program itself."),
        ),
        (Some(statement), false) if exception.type_name == "AssertionError" => {
            (0.97, format!("`{statement}` did not hold."))
        }
        (Some(statement), false) => (0.9, format!("`{statement}` raised it explicitly.")),
        // The text may be gone, the class still says whose error it is.
        (None, true) if ends_in_program => (
            0.85,
            "The exception class is defined by the program itself.".to_string(),
        ),
        _ => return Vec::new(),
    };
    let (class, meaning) = match exception.type_name.as_str() {
        "AssertionError" => (
            "logic.assertion",
            "a condition that the program relies on does not hold",
        ),
        "NotImplementedError" => (
            "logic.unhandled_case",
            "the program says that this case is not implemented",
        ),
        _ => (
            "logic.domain_error",
            "the program itself says that a rule was broken",
        ),
    };
    let message = if exception.message.is_empty() {
        String::new()
    } else {
        format!(" (\"{}\")", shorten(&exception.message, 160))
    };
    let mut evidence = vec![how];
    evidence.extend(examined.evidence.iter().cloned());
    vec![Hypothesis {
        engine: NAME.into(),
        class: FaultCode::new(class),
        cause: Cause::BusinessRule,
        summary: format!(
            "{}{message}: {meaning}; hiding the error where it is raised would not mend what led to it.",
            exception.qualified_type()
        ),
        error: exception.qualified_type(),
        location: examined.location.clone(),
        operands: examined.operands.clone(),
        confidence,
        evidence,
    }]
}
