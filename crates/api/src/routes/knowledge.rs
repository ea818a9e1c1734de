//! What Homeostasis knows beforehand: rules and the fault taxonomy.

use crate::backend::Backend;
use axum::Json;
use axum::extract::State;
use homeostasis_domain::fault::{Fault, taxonomy as all_faults};
use homeostasis_rulepack::RuleSummary;

/// `GET /rules`
pub(crate) async fn rules<B: Backend>(State(backend): State<B>) -> Json<Vec<RuleSummary>> {
    Json(homeostasis_rulepack::list(backend.pack()))
}

/// `GET /taxonomy`
pub(crate) async fn taxonomy() -> Json<&'static [Fault]> {
    Json(all_faults())
}
