//! Who is let in: every route asks for the token and for a name of this machine, before anything else.

use crate::samples::opened;
use crate::server::{Server, TOKEN, problem};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUTES: [(&str, &str); 17] = [
    ("GET", "status"),
    ("GET", "incidents"),
    ("GET", "incidents/1"),
    ("GET", "incidents/1/explain"),
    ("GET", "incidents/1/diff"),
    ("GET", "incidents/1/events"),
    ("POST", "incidents/1/approve"),
    ("POST", "incidents/1/reject"),
    ("POST", "incidents/1/rollback"),
    ("POST", "incidents/1/replay"),
    ("POST", "stop"),
    ("GET", "audit"),
    ("GET", "audit/verify"),
    ("GET", "rules"),
    ("GET", "taxonomy"),
    ("GET", "stream"),
    ("GET", "no/such/route"),
];

#[tokio::test]
async fn without_the_token_nothing_is_told_not_even_what_there_is() {
    let (server, _) = Server::with_heal(vec![opened()]).await;
    for (method, path) in ROUTES {
        let method: Method = method.parse().unwrap();
        let url = format!("http://{}/api/v1/{path}", server.address);
        let bare = server.client.request(method.clone(), &url);
        let document = problem(bare.send().await.unwrap(), 401, "auth.missing").await;
        assert!(document["remedy"].as_str().unwrap().contains("Bearer"));
        for wrong in [
            "",
            "x",
            &TOKEN[1..],
            &format!("{TOKEN} "),
            &TOKEN.to_uppercase(),
        ] {
            let response = server
                .client
                .request(method.clone(), &url)
                .header("authorization", format!("Bearer {wrong}x"));
            problem(response.send().await.unwrap(), 401, "auth.wrong").await;
        }
        let basic = server
            .client
            .request(method, &url)
            .basic_auth("alice", Some(TOKEN));
        problem(basic.send().await.unwrap(), 401, "auth.missing").await;
    }
}

#[tokio::test]
async fn a_web_page_that_calls_itself_this_machine_is_turned_away() {
    let server = Server::start().await;
    for (method, path) in ROUTES {
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.nip.io",
        ] {
            let request = server
                .request(method.parse().unwrap(), path)
                .header("host", host);
            problem(request.send().await.unwrap(), 421, "request.host").await;
        }
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:9"] {
        let request = server.request(Method::GET, "status").header("host", host);
        assert_eq!(request.send().await.unwrap().status(), 200, "{host}");
    }
}

/// What a client sends that is written by hand, for requests that `reqwest` would not make.
async fn raw(server: &Server, head: &str) -> String {
    let mut connection = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let request = format!("{head}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_names_is_turned_away() {
    let server = Server::start().await;
    let local = raw(
        &server,
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n",
    )
    .await;
    assert!(local.starts_with("HTTP/1.1 200"), "{local}");
    for head in [
        "GET /api/v1/status HTTP/1.1\r\n",
        "GET /api/v1/status HTTP/1.1\r\nHost:\r\n",
        "GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: localhost\r\n",
        "GET http://localhost/api/v1/status HTTP/1.1\r\nHost: evil.example\r\n",
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
    ] {
        let answer = raw(&server, head).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{head}{answer}");
        assert!(!answer.contains("\"service\""), "{head}{answer}");
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems_too() {
    let server = Server::start().await;
    for path in ["", "no/such/route", "incidents/1/2/3"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        problem(response, 404, "route.unknown").await;
    }
    let response = server
        .request(Method::DELETE, "incidents")
        .send()
        .await
        .unwrap();
    problem(response, 405, "route.method").await;
    let response = server.request(Method::GET, "stop").send().await.unwrap();
    problem(response, 405, "route.method").await;
}
