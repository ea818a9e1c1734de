//! The audit log, and the proof that it is whole.

use crate::backend::Backend;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use homeostasis_policy::audit::{Broken, Verified, verify_store};
use serde::Serialize;
use serde_json::Value;

/// What the proof came to.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Proof {
    Whole {
        whole: bool,
        #[serde(flatten)]
        verified: Verified,
    },
    Broken {
        whole: bool,
        #[serde(flatten)]
        broken: Broken,
    },
}

/// `GET /audit`: the entries as they are stored, the oldest first, also those that would not verify.
pub(crate) async fn list<B: Backend>(
    State(backend): State<B>,
) -> Result<Json<Vec<Value>>, Problem> {
    let bodies = backend.store().audit_entries().await?;
    Ok(Json(bodies.into_iter().map(readable).collect()))
}

/// `GET /audit/verify`
pub(crate) async fn verify<B: Backend>(State(backend): State<B>) -> Result<Json<Proof>, Problem> {
    Ok(Json(match verify_store(backend.store()).await? {
        Ok(verified) => Proof::Whole {
            whole: true,
            verified,
        },
        Err(broken) => Proof::Broken {
            whole: false,
            broken,
        },
    }))
}

/// The detail of an entry is JSON inside text, because text is what was signed; here it is shown as the data it is.
fn readable(body: String) -> Value {
    let Ok(mut entry) = serde_json::from_str::<Value>(&body) else {
        return serde_json::json!({ "unreadable": body });
    };
    let detail = entry["detail"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    if let (Some(fields), Some(detail)) = (entry.as_object_mut(), detail) {
        fields.insert("detail".to_string(), detail);
    }
    entry
}
