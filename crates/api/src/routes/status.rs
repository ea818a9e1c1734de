//! How things stand.

use crate::backend::Backend;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;

/// `GET /status`
pub(crate) async fn status<B: Backend>(
    State(backend): State<B>,
) -> Result<Json<B::Status>, Problem> {
    Ok(Json(backend.status().await?))
}
