//! Reproduces: the unpatched program fails again, and it is the same failure by its fingerprint.

use super::Found;
use crate::answers::told;
use crate::context::Context;
use crate::replay;
use homeostasis_domain::capsule::{Call, Capsule};
use homeostasis_domain::{Check, CheckName};
use homeostasis_protocol::{Exchange, ReplayKind};

/// True when this exchange ended with the failure in question.
pub(crate) fn same(context: &Context, exchange: &Exchange) -> bool {
    if exchange.exceptions.is_empty() {
        return false;
    }
    let mut again = context.capsule.clone();
    again.exceptions.clone_from(&exchange.exceptions);
    let fingerprint = (context.fingerprint_of)(&again);
    match called(context) {
        Some(call) => fingerprint == (context.fingerprint_of)(&from_the_call_on(context, call)),
        None => fingerprint == context.fingerprint,
    }
}

/// The call that is made again, where that is what is replayed.
fn called(context: &Context) -> Option<&Call> {
    let is_call = replay::kind(context) == Ok(ReplayKind::Call);
    context.capsule.call.as_ref().filter(|_| is_call)
}

/// The capsule as if the way to the failure had begun with the call: what called that function is not run again.
fn from_the_call_on(context: &Context, call: &Call) -> Capsule {
    let mut capsule = context.capsule.clone();
    if let Some(thrown) = capsule.exceptions.first_mut() {
        thrown.frames.drain(..call.frame.min(thrown.frames.len()));
    }
    capsule
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
        Ok(exchange) if !exchange.unanswered.is_empty() => Found::inconclusive(format!(
            "the failure could not be run again as it was: it {} when a question was not answered ({})",
            told(&exchange),
            exchange.unanswered.join("; ")
        ))
        .with("unanswered", exchange.unanswered.clone())
        .with("missing", context.capsule.missing.clone()),
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
