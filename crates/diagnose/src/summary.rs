//! Says in one plain sentence what failed, with which value, and where that came from.

use crate::examine::Examined;
use homeostasis_domain::FaultCode;
use homeostasis_domain::capsule::Exception;
use homeostasis_domain::diagnosis::{Operand, Origin};
use homeostasis_domain::value::{Value, shorten};

pub(crate) fn sentence(exception: &Exception, class: &FaultCode, examined: &Examined) -> String {
    let part = |role: &str| {
        examined
            .operands
            .iter()
            .find(|operand| operand.role == role)
    };
    let message = shorten(&exception.message, 200);
    let plain = || match &examined.location {
        Some(location) => format!(
            "`{}` failed with {}: {message}.",
            shorten(&location.text, 80),
            exception.type_name
        ),
        None => format!("{}: {message}.", exception.qualified_type()),
    };
    let text = |operand: &Operand| {
        shorten(
            &operand
                .text
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
            80,
        )
    };
    match class.as_str() {
        "data.missing_key" | "config.missing" | "input.validation" if part("key").is_some() => {
            let (Some(key), Some(object)) = (part("key"), part("object")) else {
                return plain();
            };
            format!(
                "`{}` has no key {}{}.",
                text(object),
                shown(key),
                whence(object)
            )
        }
        "data.index_out_of_range" => match (part("object"), part("index")) {
            (Some(object), Some(index)) => {
                let length = object
                    .value
                    .as_ref()
                    .and_then(Value::len)
                    .map(|len| format!(" has {len} elements, so"))
                    .unwrap_or_default();
                format!(
                    "`{}`{length} position {} does not exist{}.",
                    text(object),
                    shown(index),
                    whence(object)
                )
            }
            (Some(object), None) if object.value.as_ref().is_some_and(Value::is_empty) => format!(
                "`{}` is empty, so nothing can be taken out of it{}.",
                text(object),
                whence(object)
            ),
            _ => plain(),
        },
        "null.dereference" => match (part("object"), part("attribute")) {
            (Some(object), Some(attribute)) => {
                format!(
                    "`{}` is None, so `.{}` cannot be read{}.",
                    text(object),
                    attribute.text.trim_matches(['"', '\'']),
                    whence(object)
                )
            }
            (Some(object), None) => format!(
                "`{}` is None and cannot be used here{}.",
                text(object),
                whence(object)
            ),
            _ => match part("right").filter(|right| right.value == Some(Value::None)) {
                Some(right) => format!(
                    "`{}` is None and cannot be looked into{}.",
                    text(right),
                    whence(right)
                ),
                None => plain(),
            },
        },
        "name.missing_attribute" | "data.type_mismatch" if part("attribute").is_some() => {
            match part("object") {
                Some(object) => {
                    let is = object
                        .value
                        .as_ref()
                        .map(|value| format!(", {},", value.display(60)))
                        .unwrap_or_default();
                    format!(
                        "`{}`{is} has no attribute `{}`{}.",
                        text(object),
                        part("attribute").map(text).unwrap_or_default(),
                        whence(object)
                    )
                }
                None => plain(),
            }
        }
        "arithmetic.division_by_zero" => match part("divisor") {
            Some(divisor) => format!(
                "`{}` is zero and cannot divide{}.",
                text(divisor),
                whence(divisor)
            ),
            None => plain(),
        },
        "data.parse" | "data.invalid_value" | "config.invalid" | "input.validation" => {
            match part("text").or(part("argument")) {
                Some(given) => {
                    let callee = part("callee").map(text).unwrap_or_default();
                    format!(
                        "`{callee}` cannot take {}{}: {message}.",
                        shown(given),
                        whence(given)
                    )
                }
                None => plain(),
            }
        }
        "name.undefined" => match part("name") {
            Some(name) => format!("The name `{}` is used, and nothing defines it.", name.text),
            None => plain(),
        },
        "name.unassigned" => match part("name") {
            Some(name) => format!("`{}` is read on a path that never assigned it.", name.text),
            None => plain(),
        },
        "call.arguments" => match part("callee") {
            Some(callee) => format!(
                "The call of `{}` does not fit the function: {message}.",
                text(callee)
            ),
            None => plain(),
        },
        _ => plain(),
    }
}

/// The value, with its text where that says more.
fn shown(operand: &Operand) -> String {
    let text = shorten(&operand.text, 60);
    match &operand.value {
        Some(value) => {
            let value = value.display(60);
            if text.starts_with(['"', '\'']) || text == value {
                value
            } else {
                format!("{value} (`{text}`)")
            }
        }
        None => format!("`{text}`"),
    }
}

fn whence(operand: &Operand) -> String {
    let from = match &operand.origin {
        Origin::RequestBody => "the body of the request",
        Origin::RequestForm => "a form of the client",
        Origin::RequestQuery => "the query of the request",
        Origin::RequestPath => "the path of the request",
        Origin::RequestHeader => "a header of the request",
        Origin::Environment => "the environment",
        Origin::Database => "the database",
        Origin::CallResult { function } => {
            return format!("; `{}` returned it", shorten(function, 60));
        }
        Origin::Constant | Origin::Parameter { .. } | Origin::Unknown => return String::new(),
    };
    format!("; it came from {from}")
}
