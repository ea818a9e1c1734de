//! Judges what clients saw against the model: healed, still sick, lost on the way, or something that should not be.

use super::client::{Answer, Client};
use super::model::{After, Bug, Duty, Expect, Healthy, Sick};
use std::time::Duration;
use tokio::time::Instant;

const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How one case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// As the model says for a healthy program.
    AsExpected,
    /// As the model says for the sick program; for a healthy case, any failure of the server.
    Sick,
    /// The connection failed, or the answer broke off where the model does not say so.
    Lost,
    /// Anything else.
    Wrong,
}

/// How one case went, and what the client saw.
pub(super) struct Observation {
    pub(super) seen: Seen,
    pub(super) text: String,
}

/// Sends a healthy case and its second request, if it has one.
pub(super) async fn try_healthy(client: &Client, case: &Healthy) -> Observation {
    let number = client.number();
    let answer = client.send(&case.request.numbered(&number)).await;
    let first = Observation {
        seen: healthy(&answer, &case.expect.numbered(&number)),
        text: answer.to_string(),
    };
    match first.seen {
        Seen::AsExpected => follow(client, case.after.as_ref(), &number, first).await,
        Seen::Sick | Seen::Lost | Seen::Wrong => first,
    }
}

/// Sends the request that triggers a bug, and its second request, if it has one.
pub(super) async fn try_bug(client: &Client, bug: &Bug) -> Observation {
    let number = client.number();
    let answer = client.send_alone(&bug.request.numbered(&number)).await;
    let first = Observation {
        seen: sick_or_healed(&answer, bug, &number),
        text: answer.to_string(),
    };
    let follows = match bug.duty {
        Duty::Heal(_) => first.seen == Seen::AsExpected,
        // Nothing of the failed request may have been written.
        Duty::Refuse => first.seen == Seen::Sick,
    };
    if !follows {
        return first;
    }
    let second = follow(client, bug.after.as_ref(), &number, first).await;
    // Where the failure comes after the answer, only the second request can tell.
    let after_the_answer =
        matches!(&answer, Answer::Whole { status, .. } if *status == bug.sick.status);
    match (second.seen, &bug.duty) {
        (Seen::Wrong, Duty::Heal(_)) if after_the_answer => Observation {
            seen: Seen::Sick,
            text: second.text,
        },
        _ => second,
    }
}

/// The first answer stands only if the second request, if any, is answered right, in the time that it has.
async fn follow(
    client: &Client,
    after: Option<&After>,
    number: &str,
    first: Observation,
) -> Observation {
    let Some(after) = after.map(|after| after.numbered(number)) else {
        return first;
    };
    let end = Instant::now() + Duration::from_secs_f64(after.within.max(0.0));
    loop {
        let answer = client.send(&after.request).await;
        match healthy(&answer, &after.expect) {
            Seen::AsExpected => return first,
            seen if Instant::now() >= end => {
                let text = format!(
                    "{}; afterwards {}: {answer}",
                    first.text, after.request.path
                );
                return Observation { seen, text };
            }
            _ => tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await,
        }
    }
}

fn sick_or_healed(answer: &Answer, bug: &Bug, number: &str) -> Seen {
    if let Duty::Heal(expect) = &bug.duty
        && matches(answer, &expect.numbered(number))
    {
        return Seen::AsExpected;
    }
    if failed_as_told(answer, &bug.sick) {
        return Seen::Sick;
    }
    match answer {
        Answer::Whole { .. } => Seen::Wrong,
        Answer::BrokenOff { .. } | Answer::Missing { .. } => Seen::Lost,
    }
}

fn healthy(answer: &Answer, expect: &Expect) -> Seen {
    match answer {
        _ if matches(answer, expect) => Seen::AsExpected,
        Answer::Whole { status, .. } if *status >= 500 => Seen::Sick,
        Answer::Whole { .. } => Seen::Wrong,
        Answer::BrokenOff { .. } | Answer::Missing { .. } => Seen::Lost,
    }
}

fn failed_as_told(answer: &Answer, sick: &Sick) -> bool {
    match answer {
        Answer::Whole { status, .. } => *status >= 500,
        Answer::BrokenOff { .. } => sick.status == 0,
        Answer::Missing { .. } => false,
    }
}

fn matches(answer: &Answer, expect: &Expect) -> bool {
    let Answer::Whole { status, body } = answer else {
        return false;
    };
    expect.status.contains(status)
        && expect
            .contains
            .iter()
            .all(|text| body.contains(text.as_str()))
        && !expect.lacks.iter().any(|text| body.contains(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::client::Counters;
    use super::super::model::Model;
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const MODEL: &str = r#"
        [[bug]]
        id = "guarded"
        class = "data.missing_key"
        must = "heal"
        why = "x"
        request = { method = "GET", path = "/SICK" }
        sick = { status = 500, exception = "KeyError", file = "a.py", function = "f" }
        expect = { status = [200], contains = ["fine"], lacks = ["not"] }

        [[bug]]
        id = "kept"
        class = "logic.assertion"
        must = "refuse"
        why = "x"
        request = { method = "GET", path = "/SICK" }
        sick = { status = 500, exception = "AssertionError", file = "a.py", function = "f" }
        after = { request = { method = "GET", path = "/written" }, expect = { status = [200], contains = ["0 rows"] } }

        [[bug]]
        id = "streamed"
        class = "data.missing_key"
        must = "heal"
        why = "x"
        request = { method = "GET", path = "/SICK" }
        sick = { status = 0, exception = "KeyError", file = "a.py", function = "f" }
        expect = { status = [200] }

        [[bug]]
        id = "background"
        class = "data.missing_key"
        must = "heal"
        why = "x"
        request = { method = "GET", path = "/fine" }
        sick = { status = 200, exception = "KeyError", file = "a.py", function = "f" }
        expect = { status = [200] }
        after = { request = { method = "GET", path = "/written" }, expect = { status = [200], contains = ["1 row"] } }
    "#;

    const TRAFFIC: &str = r#"
        [[healthy]]
        id = "look"
        weight = 1
        request = { method = "GET", path = "/SICK" }
        expect = { status = [200], contains = ["fine"] }
    "#;

    /// A server that fails on purpose, on a port of its own.
    async fn server(written: &'static str) -> Client {
        let router = Router::new()
            .route(
                "/fail",
                get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "sorry") }),
            )
            .route("/fine", get(|| async { "all is fine" }))
            .route("/odd", get(|| async { "not fine" }))
            .route("/written", get(move || async move { written }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Client::new(&base, Counters::new()).unwrap()
    }

    /// A server that promises more than it sends.
    async fn server_that_breaks_off() -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall is fine")
                    .await
                    .unwrap();
            }
        });
        Client::new(&base, Counters::new()).unwrap()
    }

    async fn seen(client: &Client, bug: &str, path: &str) -> Seen {
        let model = Model::read(&MODEL.replace("/SICK", path), TRAFFIC).unwrap();
        let bug = model.bugs.iter().find(|other| other.id == bug).unwrap();
        try_bug(client, bug).await.seen
    }

    #[tokio::test]
    async fn a_bug_is_sick_while_it_fails_and_healed_only_by_the_answer_that_the_model_expects() {
        let client = server("0 rows").await;
        assert_eq!(seen(&client, "guarded", "/fail").await, Seen::Sick);
        assert_eq!(seen(&client, "guarded", "/fine").await, Seen::AsExpected);
        assert_eq!(seen(&client, "guarded", "/odd").await, Seen::Wrong);
    }

    #[tokio::test]
    async fn a_refused_bug_that_answers_anything_else_or_wrote_something_is_wrong() {
        let clean = server("0 rows").await;
        assert_eq!(seen(&clean, "kept", "/fail").await, Seen::Sick);
        assert_eq!(seen(&clean, "kept", "/fine").await, Seen::Wrong);
        let dirty = server("1 row").await;
        assert_eq!(seen(&dirty, "kept", "/fail").await, Seen::Wrong);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_sick_where_the_model_says_so_and_lost_elsewhere() {
        let client = server_that_breaks_off().await;
        assert_eq!(seen(&client, "streamed", "/").await, Seen::Sick);
        assert_eq!(seen(&client, "guarded", "/").await, Seen::Lost);
    }

    #[tokio::test]
    async fn where_the_failure_comes_after_the_answer_the_second_request_tells() {
        assert_eq!(
            seen(&server("0 rows").await, "background", "/").await,
            Seen::Sick
        );
        assert_eq!(
            seen(&server("1 row").await, "background", "/").await,
            Seen::AsExpected
        );
    }

    #[tokio::test]
    async fn a_server_that_is_gone_is_lost_and_never_sick() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let client = Client::new(&format!("http://{free}"), Counters::new()).unwrap();
        assert_eq!(seen(&client, "kept", "/fail").await, Seen::Lost);
        let model = Model::read(MODEL, TRAFFIC).unwrap();
        assert_eq!(
            try_healthy(&client, &model.healthy[0]).await.seen,
            Seen::Lost
        );
    }

    #[tokio::test]
    async fn a_healthy_case_is_as_expected_only_by_its_own_words() {
        let client = server("0 rows").await;
        for (path, expected) in [
            ("/fine", Seen::AsExpected),
            ("/fail", Seen::Sick),
            ("/none", Seen::Wrong),
        ] {
            let model = Model::read(MODEL, &TRAFFIC.replace("/SICK", path)).unwrap();
            assert_eq!(try_healthy(&client, &model.healthy[0]).await.seen, expected);
        }
    }
}
