//! The CLI's way to the API: the running server's, or, when none runs, the same API over the store in this process.

use crate::cli::StoreArgs;
use crate::exit::{self, Stop};
use crate::{folder, key};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;
use tower::ServiceExt;

mod local;

pub(crate) use local::Local;
use local::Offline;

/// A connection to the API.
pub(crate) enum Client {
    /// To the running server.
    Live {
        http: reqwest::Client,
        url: String,
        token: String,
    },
    /// To the store, in this process.
    Store { router: Router, token: String },
}

impl Client {
    /// Connects to the server on the store, or opens the store.
    pub(crate) async fn connect(arguments: &StoreArgs) -> Result<Client> {
        let folder = folder::find(arguments)?;
        if let Some(server) = folder::server(&folder) {
            let http = reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .no_proxy()
                .build()?;
            return Ok(Client::Live {
                http,
                url: server.url,
                token: server.token,
            });
        }
        let token = "in-process".to_string();
        let key = key::for_reading(arguments, &folder)?;
        let offline = Offline::open(&folder, key.as_ref()).await?;
        let router = homeostasis_api::router(offline, &token);
        Ok(Client::Store { router, token })
    }

    /// Whether a server runs.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Client::Live { .. })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, bytes) = match self {
            Client::Live { http, url, token } => {
                let mut request = http
                    .request(method, format!("{url}/api/v1/{path}"))
                    .bearer_auth(token);
                if let Some(body) = body {
                    request = request.json(body);
                }
                let response = request.send().await.context("the server does not answer")?;
                (response.status().as_u16(), response.bytes().await?.to_vec())
            }
            Client::Store { router, token } => {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/api/v1/{path}"))
                    .header(header::HOST, "localhost")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(header::AUTHORIZATION, format!("Bearer {token}"))
                    .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
                let response = router.clone().oneshot(request).await?;
                let status = response.status().as_u16();
                (
                    status,
                    response.into_body().collect().await?.to_bytes().to_vec(),
                )
            }
        };
        let value: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the server answered {status} without JSON"))?;
        if status < 400 {
            Ok(value)
        } else {
            Err(problem(status, &value))
        }
    }
}

/// An answer by RFC 9457 as an error with an exit code.
fn problem(status: u16, value: &Value) -> anyhow::Error {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_string();
    let code = match status {
        404 => exit::NOT_FOUND,
        400 | 422 => exit::USAGE,
        409 => exit::REFUSED,
        _ => exit::FAILED,
    };
    let message = match (text("title"), text("detail")) {
        (title, detail) if detail.is_empty() => title,
        (_, detail) => detail,
    };
    Stop::new(code, message, text("remedy")).into()
}
