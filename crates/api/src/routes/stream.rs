//! What happens, as it happens, as server-sent events; not a log: who was away reads the incidents again.

use crate::backend::{Backend, CommandError};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use std::convert::Infallible;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// `GET /stream`: `event: notice` with one notice as JSON each; `event: missed` with a number when a reader was too
/// slow and so many notices passed it by.
pub(crate) async fn stream<B: Backend>(
    State(backend): State<B>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Some(notices) = backend.subscribe() else {
        let nothing = "no server runs on this store, so nothing can happen";
        return Err(CommandError::Unavailable(nothing.to_string()).into());
    };
    Ok(Sse::new(unfold(notices, next::<B>)).keep_alive(KeepAlive::default()))
}

async fn next<B: Backend>(
    mut notices: Receiver<B::Notice>,
) -> Option<(Result<Event, Infallible>, Receiver<B::Notice>)> {
    loop {
        let event = match notices.recv().await {
            Ok(notice) => match Event::default().event("notice").json_data(&notice) {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(%error, "a notice cannot be told");
                    continue;
                }
            },
            Err(RecvError::Lagged(missed)) => {
                Event::default().event("missed").data(missed.to_string())
            }
            Err(RecvError::Closed) => return None,
        };
        return Some((Ok(event), notices));
    }
}
