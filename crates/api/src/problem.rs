//! Every error of the API, as a problem document by RFC 9457, with a stable code and what to do next.

use crate::backend::CommandError;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use homeostasis_domain::heal::IllegalEvent;
use homeostasis_policy::audit::ChainError;
use homeostasis_store::{ResolveError, StoreError};
use serde::Serialize;
use std::error::Error;

/// A problem, as data; [`IntoResponse`] writes it as a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// What happened, the same for every problem with this code.
    pub title: &'static str,
    /// What happened this time, and why.
    pub detail: String,
    /// What to do.
    pub remedy: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    code: &'a str,
    status: u16,
    title: &'a str,
    detail: &'a str,
    remedy: &'a str,
}

impl Problem {
    /// A problem with everything said.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        remedy: &'static str,
    ) -> Problem {
        Problem {
            status,
            code,
            title,
            detail: detail.into(),
            remedy,
        }
    }

    /// A value in the request that cannot be taken.
    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "request.invalid",
            "the request cannot be taken as it is",
            detail,
            "correct the request as the detail says",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Problem {
            status,
            code,
            title,
            detail,
            remedy,
        } = self;
        if status.is_server_error() {
            tracing::error!(code, detail, "a request to the API failed");
        }
        let document = Document {
            r#type: format!("urn:homeostasis:problem:{code}"),
            code,
            status: status.as_u16(),
            title,
            detail: &detail,
            remedy,
        };
        let mut response = (status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let (status, code, remedy) = match &error {
            StoreError::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                "store.full",
                "make room on the disk of the store; nothing was lost",
            ),
            StoreError::ReadOnly => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.read_only",
                "give this user write access to the folder of the store",
            ),
            StoreError::Corrupt { .. } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.corrupt",
                "move the folder of the store aside, or restore store.db from a backup",
            ),
            StoreError::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store.busy",
                "try again; if it stays so, end the process that holds the store",
            ),
            StoreError::Unreadable { .. } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.unreadable",
                "use the version of Homeostasis that wrote the store",
            ),
            StoreError::Sealed { .. } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.sealed",
                "start Homeostasis with the key that the store is encrypted with",
            ),
            StoreError::Altered { .. } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.altered",
                "restore store.db from a backup, and find out who changed it",
            ),
            StoreError::Unstorable { .. } | StoreError::Database(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "store.failed",
                "see the log of Homeostasis, and report it",
            ),
        };
        Problem::new(
            status,
            code,
            "the store could not do it",
            chain(&error),
            remedy,
        )
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Problem {
        match error {
            ResolveError::Store(error) => error.into(),
            ResolveError::Unknown { .. } => Problem::new(
                StatusCode::NOT_FOUND,
                "incident.unknown",
                "there is no such incident",
                error.to_string(),
                "list the incidents and take an id from there",
            ),
            ResolveError::Ambiguous { .. } => Problem::new(
                StatusCode::NOT_FOUND,
                "incident.ambiguous",
                "the id names several incidents",
                error.to_string(),
                "give more of the id",
            ),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Problem {
        let (status, code, title, remedy) = match &error {
            CommandError::NotNow(_) => (
                StatusCode::CONFLICT,
                "command.not_now",
                "the incident does not stand where this can be decided",
                "see how it stands with `homeostasis explain`",
            ),
            CommandError::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "command.unavailable",
                "nothing runs that could do it",
                "start the program with `homeostasis run`",
            ),
            CommandError::Failed(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "command.failed",
                "the command did not work",
                "see the log of Homeostasis; nothing was changed",
            ),
        };
        Problem::new(status, code, title, error.to_string(), remedy)
    }
}

impl From<ChainError> for Problem {
    fn from(error: ChainError) -> Problem {
        let (status, code, remedy) = match error {
            ChainError::Store(error) => return error.into(),
            ChainError::NotBegun => (
                StatusCode::CONFLICT,
                "audit.not_begun",
                "the log begins with the first `homeostasis run`",
            ),
            ChainError::KeyMissing { .. } | ChainError::Key(_) => (
                StatusCode::CONFLICT,
                "audit.key",
                "restore audit.key and audit.pub in the folder of the store from a backup",
            ),
            ChainError::Broken(_) | ChainError::Head { .. } | ChainError::Append(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "audit.failed",
                "see whether the folder of the store can be read",
            ),
        };
        Problem::new(
            status,
            code,
            "the audit log cannot be verified",
            chain(&error),
            remedy,
        )
    }
}

impl From<IllegalEvent> for Problem {
    fn from(error: IllegalEvent) -> Problem {
        StoreError::Unreadable {
            what: "the log of a heal".to_string(),
            why: error.to_string(),
        }
        .into()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Problem {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request.too_large",
                "the request is too large",
                rejection.body_text(),
                "send at most 64 KiB",
            );
        }
        Problem::invalid(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem::invalid(rejection.body_text())
    }
}

/// An error with its sources, on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
