//! Explains failures by the expression that failed, its values and where these came from; never those raised on purpose.

use crate::case::Case;
use crate::examine::{self, Examined};
use crate::origin::DefaultUsed;
use crate::summary;
use homeostasis_domain::FaultCode;
use homeostasis_domain::diagnosis::{Cause, Hypothesis, Origin};

const NAME: &str = "expression";

/// Classes that another system, a resource or a setting explains; `not_code` speaks about them.
const ELSEWHERE: &[&str] = &[
    "dependency",
    "resource.memory",
    "resource.disk",
    "resource.handles",
    "resource.pool",
    "resource.file",
    "infra",
    "auth",
    "data.constraint",
    "data.schema",
];

/// Classes for which a value that the client sent is the client's fault.
const CLIENTS_FAULT: &[&str] = &[
    "data.missing_key",
    "data.parse",
    "data.type_mismatch",
    "data.invalid_value",
    "data.index_out_of_range",
    "data.unpack",
    "data.validation",
    "null.dereference",
];

pub(crate) fn run(case: &Case<'_>, examined: &Examined) -> Vec<Hypothesis> {
    let Some(exception) = case.exception() else {
        return Vec::new();
    };
    if examined.raised.is_some() {
        return Vec::new();
    }
    let mut certainty = examined.certainty;
    let class = match examined.class {
        Some(class) => FaultCode::new(class),
        None => {
            let by_type = examine::class_by_type(exception);
            if by_type
                .as_ref()
                .is_some_and(|class| ELSEWHERE.iter().any(|other| class.is_within(other)))
            {
                return Vec::new();
            }
            // A library's own error: the place is known, its meaning is not.
            certainty *= 0.5;
            by_type.unwrap_or_else(|| FaultCode::new("logic.unhandled_case"))
        }
    };
    let mut evidence = examined.evidence.clone();
    evidence.extend(case.chosen.evidence.iter().cloned());
    let hypothesis = |class: FaultCode, confidence: f64| Hypothesis {
        engine: NAME.into(),
        summary: summary::sentence(exception, &class, examined),
        class,
        cause: Cause::Code,
        error: exception.qualified_type(),
        location: examined.location.clone(),
        operands: examined.operands.clone(),
        confidence,
        evidence: evidence.clone(),
    };
    if setting(examined) {
        let class = if class.as_str() == "data.missing_key" {
            "config.missing"
        } else {
            "config.invalid"
        };
        return vec![hypothesis(FaultCode::new(class), certainty * 0.7)];
    }
    let mut found = vec![hypothesis(class.clone(), certainty)];
    let from_client = examined.operands.iter().any(|operand| {
        matches!(operand.role.as_str(), "object" | "text" | "argument")
            && operand.origin.is_client()
    });
    if from_client && CLIENTS_FAULT.contains(&class.as_str()) {
        found.push(hypothesis(
            FaultCode::new("input.validation"),
            certainty * 0.9,
        ));
    }
    // The function that was given None may be right to need more; then its caller should have looked.
    if class.as_str() == "null.dereference"
        && let Some((place, operand)) = &examined.handed_down
    {
        let mut caller = hypothesis(class.clone(), certainty * 0.7);
        caller.summary = format!(
            "`{}` is None where `{}` hands it down, and what it is handed to needs a value.",
            place.text, place.function
        );
        caller.location = Some(place.clone());
        caller.operands = vec![operand.clone()];
        found.push(caller);
    }
    if let Some(default) = &examined.default {
        let mut other = hypothesis(FaultCode::new("data.mutable_default"), certainty * 0.8);
        other.summary = match default {
            DefaultUsed::Absent { parameter } => {
                format!(
                    "The parameter `{parameter}` was not given, and its default None was used as a value."
                )
            }
            DefaultUsed::Mutable { parameter } => {
                format!(
                    "The parameter `{parameter}` was not given, and its default is one object shared by all calls."
                )
            }
        };
        found.push(other);
    }
    found
}

/// True when the value that failed is a setting.
pub(crate) fn setting(examined: &Examined) -> bool {
    examined.operands.iter().any(|operand| {
        matches!(operand.role.as_str(), "object" | "text") && operand.origin == Origin::Environment
    }) && matches!(
        examined.class,
        Some("data.missing_key" | "data.parse" | "data.invalid_value" | "data.type_mismatch")
    )
}
