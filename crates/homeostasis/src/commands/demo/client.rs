//! One client's connection to the patient: sends requests and tells what came back, without judging it.

use super::model::{Body, Request};
use anyhow::Result;
use reqwest::{Method, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A whole answer.
    Whole { status: u16, body: String },
    /// An answer that began and did not end.
    BrokenOff { status: u16, error: String },
    /// No answer at all.
    Missing { error: String },
}

/// A client with connections of its own, kept alive as the server allows.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    counters: Arc<Counters>,
}

/// What all clients of one demo count together.
pub(super) struct Counters {
    sent: AtomicU64,
    next_number: AtomicU64,
}

impl Counters {
    /// Begins with the time, so that numbers are unique across runs against the same data.
    pub(super) fn new() -> Arc<Counters> {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| since.as_secs());
        Arc::new(Counters {
            sent: AtomicU64::new(0),
            next_number: AtomicU64::new(seconds * 1_000_000),
        })
    }

    /// Requests sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// A number that no other request has.
    pub(super) fn number(&self) -> String {
        self.next_number.fetch_add(1, Ordering::Relaxed).to_string()
    }
}

impl Client {
    pub(super) fn new(base: &str, counters: Arc<Counters>) -> Result<Client> {
        let http = reqwest::Client::builder()
            .user_agent("patient-client")
            .timeout(Duration::from_secs(30))
            // Servers close a connection that rests; one that is about to be closed must not be used again, or the
            // client itself would cause an error that nobody else has.
            .pool_idle_timeout(Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Client {
            http,
            base: base.to_string(),
            counters,
        })
    }

    pub(super) fn number(&self) -> String {
        self.counters.number()
    }

    /// Sends one request and waits for the end of its answer.
    pub(super) async fn send(&self, request: &Request) -> Answer {
        self.exchange(request, false).await
    }

    /// Sends one request on a connection that nothing comes after. Servers close a connection on which the program has
    /// failed, some of them without saying so; a request that is sent into that would be lost through the failure, and
    /// must not be counted as lost through its healing.
    pub(super) async fn send_alone(&self, request: &Request) -> Answer {
        self.exchange(request, true).await
    }

    async fn exchange(&self, request: &Request, alone: bool) -> Answer {
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        let method = match Method::from_bytes(request.method.as_bytes()) {
            Ok(method) => method,
            Err(error) => {
                return Answer::Missing {
                    error: error.to_string(),
                };
            }
        };
        let mut sending = self
            .http
            .request(method, format!("{}{}", self.base, request.path));
        sending = match &request.body {
            Body::Nothing => sending,
            Body::Json(value) => sending.json(value),
            Body::Form(fields) => sending.form(fields),
            Body::Text(text) => sending.body(text.clone()),
        };
        if alone {
            sending = sending.header(header::CONNECTION, "close");
        }
        for (name, value) in &request.headers {
            sending = sending.header(name, value);
        }
        let response = match sending.send().await {
            Ok(response) => response,
            Err(error) => {
                return Answer::Missing {
                    error: chain(&error),
                };
            }
        };
        let status = response.status().as_u16();
        match response.bytes().await {
            Ok(body) => Answer::Whole {
                status,
                body: String::from_utf8_lossy(&body).into_owned(),
            },
            Err(error) => Answer::BrokenOff {
                status,
                error: chain(&error),
            },
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Whole { status, body } => {
                let line: String = body
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .take(160)
                    .collect();
                write!(f, "{status} {line}")
            }
            Answer::BrokenOff { status, error } => {
                write!(f, "the answer ({status}) broke off: {error}")
            }
            Answer::Missing { error } => write!(f, "no answer: {error}"),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
