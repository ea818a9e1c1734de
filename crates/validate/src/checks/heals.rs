//! Heals: the patched program no longer fails on what failed, and answers as the candidate says it will.

use super::Found;
use crate::answers;
use crate::context::Context;
use homeostasis_domain::capsule::CapsuleKind;
use homeostasis_domain::{Answer, Candidate};
use homeostasis_protocol::Exchange;

pub(crate) fn check(
    context: &Context,
    candidate: &Candidate,
    measured: Result<&Exchange, &String>,
) -> Found {
    let exchange = match measured {
        Ok(exchange) => exchange,
        Err(reason) => {
            return Found::failed(
                "heals.not_run",
                format!("the patched program could not be given what failed: {reason}"),
            );
        }
    };
    let told = answers::told(exchange);
    if let Some(question) = exchange.unanswered.first() {
        return Found::inconclusive(format!(
            "the patched program asks its dependencies what it did not ask when it failed ({question}), so what it would have done is unknown: here it {told}"
        ));
    }
    if !exchange.exceptions.is_empty() {
        return Found::failed(
            "heals.still_fails",
            format!("the patched program still {told}"),
        );
    }
    if context.capsule.kind == CapsuleKind::Process {
        return match candidate.answer {
            Answer::Success => Found::passed("what ended the process is gone"),
            Answer::ClientError => Found::failed(
                "heals.answer",
                "there is no client to answer outside of a request",
            ),
        };
    }
    let Some(status) = exchange.status else {
        return Found::failed("heals.answer", "the patched program gave no answer");
    };
    let fits = match candidate.answer {
        Answer::Success => (200..400).contains(&status),
        Answer::ClientError => (400..500).contains(&status),
    };
    let found = if !fits {
        let wanted = match candidate.answer {
            Answer::Success => "a status from 200 to 399",
            Answer::ClientError => "a status from 400 to 499",
        };
        Found::failed(
            "heals.answer",
            format!("the patched program {told}, and should with {wanted}"),
        )
    } else if is_hollow(context, exchange, status) {
        Found::failed(
            "heals.empty",
            format!(
                "the patched program {told} with an empty body, where healthy answers have one"
            ),
        )
    } else {
        Found::passed(format!("the patched program {told}"))
    };
    found.with("status", status)
}

/// A success with nothing in it, which the route is not known for.
fn is_hollow(context: &Context, exchange: &Exchange, status: u16) -> bool {
    let is_head = context
        .request()
        .is_some_and(|request| request.method == "HEAD");
    let may_be_empty = is_head || status == 204 || status == 205 || status >= 300;
    let known = context
        .witnesses
        .iter()
        .any(|witness| witness.response.status == status && witness.response.body.len == 0);
    !may_be_empty && !known && exchange.body.len == 0 && answers::bytes(&exchange.body).is_empty()
}
