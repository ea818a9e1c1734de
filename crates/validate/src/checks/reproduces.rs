//! Reproduces: the unpatched program fails again, and it is the same failure by its fingerprint.

use super::Found;
use crate::answers::told;
use crate::context::Context;
use homeostasis_domain::{Check, CheckName};
use homeostasis_protocol::Exchange;

/// True when this exchange ended with the failure in question.
pub(crate) fn same(context: &Context, exchange: &Exchange) -> bool {
    if exchange.exceptions.is_empty() {
        return false;
    }
    let mut capsule = context.capsule.clone();
    capsule.exceptions.clone_from(&exchange.exceptions);
    (context.fingerprint_of)(&capsule) == context.fingerprint
}

pub(crate) fn check(
    context: &Context,
    measured: Result<Exchange, String>,
    milliseconds: f64,
) -> Check {
    let found = match measured {
        Err(reason) => Found::inconclusive(format!("the failure could not be run again: {reason}")),
        Ok(exchange) if same(context, &exchange) => {
            Found::passed(format!("the unpatched program {} again", told(&exchange)))
        }
        Ok(exchange) => Found::failed(
            "reproduces.differs",
            format!(
                "the unpatched program does not fail in the same way: it {}",
                told(&exchange)
            ),
        )
        .with("missing", context.capsule.missing.clone())
        .with("redacted", context.capsule.redacted.clone()),
    };
    found.check(CheckName::Reproduces, milliseconds)
}
