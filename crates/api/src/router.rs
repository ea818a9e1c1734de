//! All routes of the API, below `/api/v1`.

use crate::backend::Backend;
use crate::guard::{self, Token};
use crate::problem::Problem;
use crate::routes::{audit, decisions, incidents, knowledge, status, stream};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tower_http::trace::TraceLayer;

/// The largest request body, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// The API over a backend. Every request must carry `token` as its bearer token and name this machine in `Host`.
pub fn router<B: Backend>(backend: B, token: &str) -> Router {
    let version_1 = Router::new()
        .route("/status", get(status::status::<B>))
        .route("/incidents", get(incidents::list::<B>))
        .route("/incidents/{id}", get(incidents::one::<B>))
        .route("/incidents/{id}/explain", get(incidents::explain::<B>))
        .route("/incidents/{id}/diff", get(incidents::diff::<B>))
        .route("/incidents/{id}/events", get(incidents::events::<B>))
        .route("/incidents/{id}/approve", post(decisions::approve::<B>))
        .route("/incidents/{id}/reject", post(decisions::reject::<B>))
        .route("/incidents/{id}/rollback", post(decisions::rollback::<B>))
        .route("/incidents/{id}/replay", post(decisions::replay::<B>))
        .route("/stop", post(decisions::stop::<B>))
        .route("/audit", get(audit::list::<B>))
        .route("/audit/verify", get(audit::verify::<B>))
        .route("/rules", get(knowledge::rules::<B>))
        .route("/taxonomy", get(knowledge::taxonomy))
        .route("/stream", get(stream::stream::<B>));
    Router::new()
        .nest("/api/v1", version_1)
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(backend)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(Token::new(token), guard::admit))
        .layer(TraceLayer::new_for_http())
}

async fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "route.unknown",
        "there is nothing at this address",
        "no route of the API has this path",
        "the routes are /api/v1/ with status, incidents, audit, rules, taxonomy, stop and stream",
    )
}

async fn not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "route.method",
        "this address does not take this method",
        "the route exists with another method",
        "read with GET, decide with POST",
    )
}
