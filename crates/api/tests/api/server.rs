//! A real server on a free port, over a real store, and what stands behind it in these tests: commands that append to
//! the log as the orchestrator does, without its steps.

use crate::samples::{event, log, reproduced};
use homeostasis_api::{Backend, CommandError, router};
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::{CheckStatus, EventId, HealId, IncidentId, Trial};
use homeostasis_policy::audit::Chain;
use homeostasis_rulepack::Pack;
use homeostasis_store::Store;
use jiff::Timestamp;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::broadcast;

pub(crate) const TOKEN: &str = "correct horse battery staple";

#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pack: Arc<Pack>,
    pub(crate) notices: Option<broadcast::Sender<Value>>,
}

impl Desk {
    async fn append(
        &self,
        incident: &IncidentId,
        event: HealEvent,
    ) -> Result<HealId, CommandError> {
        let heals = self.store.heals_of(incident).await.unwrap();
        let heal = heals
            .last()
            .ok_or_else(|| CommandError::NotNow("no heal has begun".to_string()))?;
        let next = self.store.log(heal).await.unwrap().len() as u64 + 1;
        match self
            .store
            .append(heal, next, Timestamp::now(), &event)
            .await
        {
            Ok(_) => Ok(heal.clone()),
            Err(error) => Err(CommandError::NotNow(error.to_string())),
        }
    }
}

impl Backend for Desk {
    type Status = Value;
    type Notice = Value;

    fn store(&self) -> &Store {
        &self.store
    }

    fn pack(&self) -> &Pack {
        &self.pack
    }

    async fn status(&self) -> Result<Value, CommandError> {
        let stopped: Option<bool> = self.store.get_meta("stopped").await.unwrap();
        Ok(json!({ "service": "shop", "stopped": stopped.unwrap_or(false) }))
    }

    async fn approve(&self, incident: &IncidentId, by: &str) -> Result<HealId, CommandError> {
        self.append(incident, HealEvent::Approved { by: by.to_string() })
            .await
    }

    async fn reject(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        let (by, reason) = (by.to_string(), reason.to_string());
        self.append(incident, HealEvent::Rejected { by, reason })
            .await
    }

    async fn rollback(
        &self,
        incident: &IncidentId,
        by: &str,
        reason: &str,
    ) -> Result<HealId, CommandError> {
        let (by, reason) = (by.to_string(), reason.to_string());
        self.append(incident, HealEvent::RollbackAsked { by, reason })
            .await
    }

    async fn replay(
        &self,
        incident: &IncidentId,
        _by: &str,
    ) -> Result<(EventId, Trial), CommandError> {
        let newest = self.store.events_of(incident, 1).await.unwrap();
        match newest.into_iter().next() {
            Some(event) => match reproduced(CheckStatus::Passed) {
                HealEvent::Reproduced { trial } => Ok((event.id, trial)),
                other => unreachable!("{other:?}"),
            },
            None => Err(CommandError::NotNow("nothing is kept".to_string())),
        }
    }

    async fn stop(&self, stopped: bool, _by: &str) -> Result<(), CommandError> {
        self.store.put_meta("stopped", &stopped).await.unwrap();
        Ok(())
    }

    fn subscribe(&self) -> Option<broadcast::Receiver<Value>> {
        self.notices.as_ref().map(broadcast::Sender::subscribe)
    }
}

/// A server with its folder; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) desk: Desk,
    pub(crate) address: String,
    pub(crate) client: Client,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let (pack, errors) = homeostasis_rulepack::load(&[]);
        assert_eq!(errors, []);
        let desk = Desk {
            store: Store::open(folder.path()).await.unwrap(),
            pack: Arc::new(pack),
            notices: Some(broadcast::channel(4).0),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = router(desk.clone(), TOKEN);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server {
            desk,
            address,
            client: Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
        }
    }

    /// An incident with one heal of these events.
    pub(crate) async fn with_heal(events: Vec<HealEvent>) -> (Server, IncidentId) {
        let server = Server::start().await;
        let incident = server
            .desk
            .store
            .record_event(&event("e-1", "f"))
            .await
            .unwrap()
            .incident
            .id;
        let heal = HealId::of(&incident, 1);
        for entry in log(events) {
            let event = match entry.event {
                HealEvent::Opened { source, .. } => HealEvent::Opened {
                    incident: incident.clone(),
                    source,
                },
                other => other,
            };
            server
                .desk
                .store
                .append(&heal, entry.number, entry.at, &event)
                .await
                .unwrap();
        }
        (server, incident)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}/api/v1/{path}", self.address);
        self.client.request(method, url).bearer_auth(TOKEN)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn state(&self, incident: &IncidentId) -> State {
        let log = self.desk.store.log(&HealId::of(incident, 1)).await.unwrap();
        State::replay(&log).unwrap()
    }

    pub(crate) async fn chain(&self) -> Chain {
        Chain::open(&self.desk.store).await.unwrap()
    }
}

/// The problem document of an answer, checked for what every one must have.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["code"], code, "{document}");
    assert_eq!(document["status"], status);
    assert_eq!(document["type"], format!("urn:homeostasis:problem:{code}"));
    for field in ["title", "detail", "remedy"] {
        assert!(!document[field].as_str().unwrap().is_empty(), "{document}");
    }
    document
}

mod reading {
    use super::{Server, problem};
    use crate::samples::{event, healed, opened, waiting_for_a_person};
    use homeostasis_domain::Event;
    use reqwest::Method;
    use serde_json::json;

    #[tokio::test]
    async fn incidents_are_listed_and_one_is_found_by_the_beginning_of_its_id() {
        let (server, incident) = Server::with_heal(waiting_for_a_person()).await;
        let list = server.get("incidents").await;
        assert_eq!(list[0]["incident"]["id"], incident.as_str());
        assert_eq!(list[0]["phase"], "waiting");
        assert_eq!(list[0]["class"], "data.missing_key");
        let one = server
            .get(&format!("incidents/{}", &incident.as_str()[..4]))
            .await;
        assert_eq!(one["incident"], list[0]["incident"]);
        assert_eq!(one["heals"], json!([format!("{incident}.1")]));
    }

    #[tokio::test]
    async fn an_unknown_or_ambiguous_id_is_a_problem_with_its_own_code() {
        let server = Server::start().await;
        for number in 0..20 {
            let event = event(&format!("e-{number}"), &format!("f{number}"));
            server.desk.store.record_event(&event).await.unwrap();
        }
        for path in [
            "incidents/zz",
            "incidents/zz/explain",
            "incidents/zz/diff",
            "incidents/zz/events",
        ] {
            let response = server.request(Method::GET, path).send().await.unwrap();
            problem(response, 404, "incident.unknown").await;
        }
        let mut ambiguous = 0;
        for digit in "0123456789abcdef".chars() {
            let response = server
                .request(Method::GET, &format!("incidents/{digit}"))
                .send()
                .await
                .unwrap();
            if response.status() == 404
                && response
                    .text()
                    .await
                    .unwrap()
                    .contains("incident.ambiguous")
            {
                ambiguous += 1;
            }
        }
        assert!(ambiguous > 0, "20 ids over 16 first digits must share one");
    }

    #[tokio::test]
    async fn the_explanation_has_the_text_and_the_data_of_the_stored_log() {
        let (server, incident) = Server::with_heal(healed()).await;
        let explanation = server.get(&format!("incidents/{incident}/explain")).await;
        assert_eq!(
            explanation["heals"][0]["entries"].as_array().unwrap().len(),
            healed().len()
        );
        let text = explanation["text"].as_str().unwrap();
        assert!(
            text.contains("alice approved it.") && text.contains("Healed: 212 requests"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn the_diff_is_that_of_the_chosen_candidate_or_null() {
        let (server, incident) = Server::with_heal(waiting_for_a_person()).await;
        let page = server.get(&format!("incidents/{incident}/diff")).await;
        assert!(
            page["diff"]
                .as_str()
                .unwrap()
                .contains("+Answer 422 naming the missing field")
        );
        assert_eq!(page["safety"], "safe");
        let (server, incident) = Server::with_heal(vec![opened()]).await;
        let page = server.get(&format!("incidents/{incident}/diff")).await;
        assert!(page["diff"].is_null() && page["candidate"].is_null());
    }

    #[tokio::test]
    async fn events_are_the_newest_first_and_as_many_as_asked_for() {
        let server = Server::start().await;
        let mut incident = None;
        for number in 0..5 {
            let recorded = server
                .desk
                .store
                .record_event(&event(&format!("e-{number}"), "f"))
                .await
                .unwrap();
            incident = Some(recorded.incident.id);
        }
        let incident = incident.unwrap();
        let page = server
            .get(&format!("incidents/{incident}/events?limit=2"))
            .await;
        let events: Vec<Event> = serde_json::from_value(page).unwrap();
        assert_eq!(events, [event("e-4", "f"), event("e-3", "f")]);
        for query in ["limit=many", "limit=-1", "limti=2"] {
            let path = format!("incidents/{incident}/events?{query}");
            let response = server.request(Method::GET, &path).send().await.unwrap();
            problem(response, 422, "request.invalid").await;
        }
    }

    #[tokio::test]
    async fn status_rules_and_the_taxonomy_are_there() {
        let server = Server::start().await;
        assert_eq!(
            server.get("status").await,
            json!({"service": "shop", "stopped": false})
        );
        let rules = server.get("rules").await;
        let pack = homeostasis_rulepack::list(&homeostasis_rulepack::load(&[]).0);
        assert_eq!(rules, serde_json::to_value(pack).unwrap());
        let taxonomy = server.get("taxonomy").await;
        let codes = taxonomy
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["code"].as_str().unwrap());
        assert!(codes.into_iter().any(|code| code == "data.missing_key"));
    }
}

mod deciding {
    use super::{Server, problem};
    use crate::samples::{healed, opened, waiting_for_a_person};
    use homeostasis_domain::heal::Phase;
    use reqwest::Method;
    use serde_json::json;

    #[tokio::test]
    async fn an_approval_reaches_the_log_with_its_name() {
        let (server, incident) = Server::with_heal(waiting_for_a_person()).await;
        let response = server
            .post(
                &format!("incidents/{incident}/approve"),
                &json!({"by": " alice "}),
            )
            .await;
        assert_eq!(response.status(), 200);
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(
            answer,
            json!({"incident": incident, "heal": format!("{incident}.1")})
        );
        let state = server.state(&incident).await;
        assert_eq!(state.phase, Phase::Accepted);
        assert_eq!(state.approval.unwrap().by, "alice");
        let again = server
            .post(
                &format!("incidents/{incident}/approve"),
                &json!({"by": "alice"}),
            )
            .await;
        problem(again, 409, "command.not_now").await;
    }

    #[tokio::test]
    async fn a_rejection_and_a_rollback_carry_their_reasons() {
        let (server, incident) = Server::with_heal(waiting_for_a_person()).await;
        let body = json!({"by": "bob", "reason": "we drop that endpoint"});
        let response = server
            .post(&format!("incidents/{incident}/reject"), &body)
            .await;
        assert_eq!(response.status(), 200);
        let page = server.get(&format!("incidents/{incident}/explain")).await;
        assert!(
            page["text"]
                .as_str()
                .unwrap()
                .contains("bob rejected it: we drop that endpoint.")
        );

        let (server, incident) = Server::with_heal(healed()).await;
        let response = server
            .post(
                &format!("incidents/{incident}/rollback"),
                &json!({"by": "bob"}),
            )
            .await;
        assert_eq!(response.status(), 200);
        let reason = "no reason was given".to_string();
        assert_eq!(
            server.state(&incident).await.phase,
            Phase::RollingBack { reason }
        );
    }

    #[tokio::test]
    async fn a_capsule_is_run_again_and_what_came_of_it_is_told() {
        let (server, incident) = Server::with_heal(healed()).await;
        let response = server
            .post(
                &format!("incidents/{incident}/replay"),
                &json!({"by": "bob"}),
            )
            .await;
        assert_eq!(response.status(), 200);
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(answer["reproduced"], true);
        assert_eq!(answer["trial"]["checks"][0]["name"], "reproduces");
        assert!(answer["event"].is_string());
    }

    #[tokio::test]
    async fn who_decides_must_be_named_and_be_a_person() {
        let (server, incident) = Server::with_heal(waiting_for_a_person()).await;
        let bodies = [
            json!({}),
            json!({"by": ""}),
            json!({"by": "  "}),
            json!({"by": "a\nb"}),
            json!({"by": "x".repeat(201)}),
            json!({"by": "Homeostasis"}),
            json!({"by": 7}),
            json!({"by": "alice", "reason": "x".repeat(4_001)}),
            json!({"by": "alice", "resaon": "typo"}),
            json!("alice"),
        ];
        for body in bodies {
            for command in ["approve", "reject", "rollback", "replay"] {
                let response = server
                    .post(&format!("incidents/{incident}/{command}"), &body)
                    .await;
                problem(response, 422, "request.invalid").await;
            }
        }
        let unreadable = server
            .request(Method::POST, "stop")
            .header("content-type", "application/json")
            .body("{");
        problem(unreadable.send().await.unwrap(), 422, "request.invalid").await;
        let untyped = server
            .request(Method::POST, "stop")
            .body("{\"stopped\": true, \"by\": \"alice\"}");
        problem(untyped.send().await.unwrap(), 422, "request.invalid").await;
        assert_eq!(server.state(&incident).await.phase, Phase::Waiting);
    }

    #[tokio::test]
    async fn the_one_switch_stops_and_resumes() {
        let server = Server::start().await;
        for stopped in [true, false] {
            let response = server
                .post("stop", &json!({"stopped": stopped, "by": "alice"}))
                .await;
            assert_eq!(
                response.json::<serde_json::Value>().await.unwrap(),
                json!({"stopped": stopped})
            );
            assert_eq!(server.get("status").await["stopped"], stopped);
        }
    }

    #[tokio::test]
    async fn a_large_body_is_refused() {
        let (server, incident) = Server::with_heal(vec![opened()]).await;
        let body = json!({"by": "alice", "reason": "x".repeat(70_000)});
        let response = server
            .post(&format!("incidents/{incident}/reject"), &body)
            .await;
        problem(response, 413, "request.too_large").await;
    }
}

mod auditing {
    use super::{Server, problem};
    use jiff::Timestamp;
    use reqwest::Method;
    use serde_json::json;

    #[tokio::test]
    async fn the_audit_log_is_shown_and_proven_and_a_change_is_found() {
        let server = Server::start().await;
        let before = server
            .request(Method::GET, "audit/verify")
            .send()
            .await
            .unwrap();
        problem(before, 409, "audit.not_begun").await;
        let mut chain = server.chain().await;
        for number in 1..=3 {
            let detail = json!({"number": number, "share": 0.1});
            chain
                .append(
                    &server.desk.store,
                    Timestamp::now(),
                    "alice",
                    "heal.approved",
                    "1f2e3d4c.1",
                    detail,
                )
                .await
                .unwrap();
        }
        let entries = server.get("audit").await;
        assert_eq!(entries.as_array().unwrap().len(), 3);
        assert_eq!(entries[2]["actor"], "alice");
        assert_eq!(entries[2]["detail"], json!({"number": 3, "share": 0.1}));
        let proof = server.get("audit/verify").await;
        assert_eq!(
            (&proof["whole"], &proof["count"]),
            (&json!(true), &json!(3))
        );
        assert_eq!(proof["head"], entries[2]["hash"]);

        let head = server.desk.store.folder().join("audit.head");
        let text = std::fs::read_to_string(&head).unwrap();
        std::fs::write(&head, text.replace("\"number\":3", "\"number\":4")).unwrap();
        let proof = server.get("audit/verify").await;
        assert_eq!(proof["whole"], false);
        assert!(
            proof["what"].as_str().unwrap().contains("audit.head"),
            "{proof}"
        );
    }
}

mod following {
    use super::{Desk, Server, TOKEN, problem};
    use homeostasis_api::router;
    use reqwest::Method;
    use serde_json::json;

    /// Reads from the stream until this text has come.
    async fn read_until(response: &mut reqwest::Response, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            let chunk = response.chunk().await.unwrap().unwrap();
            read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        read
    }

    #[tokio::test]
    async fn notices_arrive_as_they_happen_and_what_was_missed_is_counted() {
        let server = Server::start().await;
        let sender = server.desk.notices.clone().unwrap();
        let mut response = server.request(Method::GET, "stream").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        sender
            .send(json!({"notice": "connected", "pid": 7}))
            .unwrap();
        let first = read_until(&mut response, "\n\n").await;
        assert_eq!(
            first,
            "event: notice\ndata: {\"notice\":\"connected\",\"pid\":7}\n\n"
        );
        // More at once than the channel of the test holds.
        for number in 0..10 {
            sender.send(json!({"number": number})).unwrap();
        }
        let rest = read_until(&mut response, "{\"number\":9}\n\n").await;
        assert!(rest.contains("event: missed\ndata: 6\n\n"), "{rest}");
    }

    #[tokio::test]
    async fn where_nothing_runs_there_is_nothing_to_follow() {
        let server = Server::start().await;
        let desk = Desk {
            notices: None,
            ..server.desk.clone()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(desk, TOKEN)).await.unwrap() });
        let url = format!("http://{address}/api/v1/stream");
        let response = server
            .client
            .get(url)
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap();
        problem(response, 503, "command.unavailable").await;
    }
}
