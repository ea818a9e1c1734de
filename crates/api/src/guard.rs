//! Who is let in: requests to a loopback name that carry the token. Everything else, unknown routes included, is
//! turned away before anything is looked at.
//!
//! The name in `Host` is checked because a web page can have its own name resolve to 127.0.0.1 (DNS rebinding) and
//! would then be served as if it came from this machine.

use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use homeostasis_domain::id::content_hash;
use std::net::IpAddr;
use std::sync::Arc;

/// The token that requests must carry, kept only as its hash.
// Invariant: `hash` is a content hash, so that what is compared has one length and says nothing of the token.
#[derive(Clone)]
pub struct Token {
    hash: Arc<str>,
}

impl Token {
    /// Takes the token as it is.
    pub fn new(token: &str) -> Token {
        Token {
            hash: content_hash(token.as_bytes()).into(),
        }
    }

    /// Takes equally long for every wrong token.
    fn is(&self, offered: &str) -> bool {
        let offered = content_hash(offered.as_bytes());
        let differences = self
            .hash
            .bytes()
            .zip(offered.bytes())
            .fold(0, |differences, (left, right)| differences | (left ^ right));
        std::hint::black_box(differences) == 0
    }
}

/// Lets a request pass, or answers it.
pub async fn admit(State(token): State<Token>, request: Request, next: Next) -> Response {
    match check(&token, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(token: &Token, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    // HTTP/2 and absolute requests name the host in the address; whatever names one must name this machine.
    let in_headers = headers
        .get_all(header::HOST)
        .iter()
        .map(|value| value.to_str().unwrap_or_default());
    let in_address = uri.authority().map(|authority| authority.as_str());
    let mut named = in_headers.chain(in_address).peekable();
    if named.peek().is_none() || !named.all(is_local) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "request.host",
            "the API answers only to names of this machine",
            "the Host header names another machine",
            "use http://127.0.0.1 or http://localhost with the port of the API",
        ));
    }
    let offered = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, offered)| offered.trim());
    match offered {
        Some(offered) if token.is(offered) => Ok(()),
        Some(_) => Err(unauthorized(
            "auth.wrong",
            "the token is not that of this server",
        )),
        None => Err(unauthorized(
            "auth.missing",
            "the request carries no bearer token",
        )),
    }
}

fn unauthorized(code: &'static str, detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        code,
        "the request is not authorised",
        detail,
        "send the header `Authorization: Bearer <token>`, with the token from the folder of the store",
    )
}

/// Whether a host, with or without a port, is a loopback address or `localhost`.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => address,
            Some((address, port)) if is_port(port) => address,
            _ => return false,
        },
        None => match host.split_once(':') {
            None => host,
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return false,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.0.0.1:4949",
            "127.1.2.3",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "0.0.0.0",
            "192.168.0.1:80",
            "[::2]",
            "[::1",
            "[::1]x",
            "localhost:80@evil.com",
            "::1",
            "127.0.0.1:80:90",
            "evil.com:localhost",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
