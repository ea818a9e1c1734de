//! `capsule show`: exactly what is kept of a failure; `capsule replay`: whether it comes again.

mod answers;
mod replay;
mod values;

use crate::cli::{CapsuleArgs, CapsuleCommand, IncidentArgs};
use crate::client::Client;
use crate::exit;
use crate::printing::{clean, json, out, say};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use homeostasis_domain::Event;
use homeostasis_domain::capsule::{Body, Call, Capsule, Exception, Frame, Map, Request};
use homeostasis_domain::value::Value;
use owo_colors::{OwoColorize, Stream};
use std::process::ExitCode;
use values::written;

/// Longer lines are cut for people; `--json` has everything.
const WIDEST: usize = 200;

pub(crate) async fn run(arguments: CapsuleArgs) -> Result<ExitCode> {
    match arguments.command {
        CapsuleCommand::Show(arguments) => show(arguments).await,
        CapsuleCommand::Replay(arguments) => replay::replay(arguments).await,
    }
}

async fn show(arguments: IncidentArgs) -> Result<ExitCode> {
    let client = Client::connect(&arguments.store).await?;
    let path = format!("incidents/{}/events?limit=1", arguments.incident);
    let kept = client.get(&path).await?;
    let Some(newest) = kept.as_array().and_then(|events| events.first()) else {
        say("nothing of this incident is kept but its count");
        return Ok(ExitCode::from(exit::NOT_FOUND));
    };
    if arguments.json {
        json(newest);
        return Ok(ExitCode::SUCCESS);
    }
    let size = serde_json::to_vec(newest).map_or(0, |text| text.len());
    let event: Event =
        serde_json::from_value(newest.clone()).context("the event cannot be read")?;
    let explained = client
        .get(&format!("incidents/{}/explain", arguments.incident))
        .await;
    let in_vain = explained.map_or_else(|_| Vec::new(), |explained| asked_in_vain(&explained));
    for line in lines(&event, size, &in_vain) {
        out(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// What replays of the incident's latest heal asked without an answer.
fn asked_in_vain(explained: &serde_json::Value) -> Vec<String> {
    let entries = explained["heals"]
        .as_array()
        .and_then(|heals| heals.last())
        .and_then(|heal| heal["entries"].as_array());
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten() {
        let checks = entry["data"]["trial"]["checks"].as_array();
        for check in checks.into_iter().flatten() {
            let unanswered = check["detail"]["unanswered"].as_array();
            for question in unanswered.into_iter().flatten().filter_map(|q| q.as_str()) {
                if !found.iter().any(|known| known == question) {
                    found.push(question.to_string());
                }
            }
        }
        let closed = entry["data"]["outcome"]["reason"].as_str();
        found.extend(
            closed
                .filter(|reason| reason.contains("not answered"))
                .map(str::to_string),
        );
    }
    found
}

fn lines(event: &Event, size: usize, in_vain: &[String]) -> Vec<String> {
    let mut page = Page::default();
    let capsule = &event.capsule;
    page.field("event", &event.id.to_string());
    page.field("time", &event.time.to_string());
    page.field("size", &format!("{size} bytes as JSON"));
    page.process(capsule);
    for (place, exception) in capsule.exceptions.iter().enumerate() {
        page.exception(place, exception);
    }
    if let Some(request) = &capsule.request {
        page.heading("request");
        page.request(request);
    }
    if let Some(call) = &capsule.call {
        page.call(call);
    }
    page.answers(
        "answered before, or as the program started",
        &capsule.answers,
    );
    page.list("asked in a replay, and not answered", in_vain);
    page.list("taken out as secret", &capsule.redacted);
    page.list("not kept", &capsule.missing);
    for witness in &event.witnesses {
        page.heading("healthy request kept beside it");
        page.request(&witness.request);
        page.field(
            "answered",
            &format!(
                "{} with {}",
                witness.response.status,
                body(&witness.response.body)
            ),
        );
    }
    page.0
}

/// The lines of the answer, made harmless for a terminal.
#[derive(Default)]
struct Page(Vec<String>);

impl Page {
    fn line(&mut self, text: &str) {
        let clean = clean(text);
        let cut = clean.chars().count() > WIDEST;
        let mut line: String = clean.chars().take(WIDEST).collect();
        if cut {
            line.push('…');
        }
        self.0.push(line);
    }

    fn field(&mut self, name: &str, text: &str) {
        self.line(&format!("{name:12} {text}"));
    }

    fn heading(&mut self, text: &str) {
        let bold = clean(text)
            .if_supports_color(Stream::Stdout, |text| text.bold())
            .to_string();
        self.0.push(String::new());
        self.0.push(bold);
    }

    fn list(&mut self, name: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.heading(name);
        for item in items {
            self.line(&format!("  {item}"));
        }
    }

    fn process(&mut self, capsule: &Capsule) {
        let process = &capsule.process;
        self.field("seen by", &capsule.hook);
        self.field(
            "process",
            &format!(
                "{} ({}, {} {})",
                process.pid, process.thread, process.runtime.name, process.runtime.version
            ),
        );
        self.field("command", &process.argv.join(" "));
        let frameworks = process.frameworks.iter();
        let frameworks: Vec<String> = frameworks
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        self.field("frameworks", &frameworks.join(", "));
    }

    fn exception(&mut self, place: usize, exception: &Exception) {
        let how = match &exception.relation {
            Some(relation) => format!("{} ", relation_of(relation)),
            None if place == 0 => String::new(),
            None => "before it: ".to_string(),
        };
        self.heading(&format!(
            "{how}{}: {}",
            exception.qualified_type(),
            exception.message
        ));
        self.values("  ", &exception.attributes);
        for note in &exception.notes {
            self.line(&format!("  note {note}"));
        }
        for frame in &exception.frames {
            self.frame(frame);
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let foreign = if frame.in_app { "" } else { " (a library)" };
        self.line(&format!(
            "  {}:{} in {}{foreign}",
            frame.file, frame.line, frame.function
        ));
        if frame.in_app {
            self.line(&format!("      {}", frame.text));
            self.values("    ", &frame.locals);
            self.values("    global ", &frame.globals);
        }
    }

    fn values(&mut self, indent: &str, values: &Map<Value>) {
        for (name, value) in values {
            self.line(&format!("{indent}{name} = {}", written(value)));
        }
    }

    fn request(&mut self, request: &Request) {
        let query = match request.query.as_str() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        self.line(&format!(
            "  {} {}{query} HTTP/{}",
            request.method, request.path, request.http_version
        ));
        for (name, value) in &request.headers {
            self.line(&format!("  {name}: {value}"));
        }
        self.line(&format!("  {}", body(&request.body)));
        for credential in &request.credentials {
            let said = serde_json::from_value(credential["value"].clone());
            let said = said.map_or_else(|_| credential["value"].to_string(), |said| written(&said));
            let name = credential["name"].as_str().unwrap_or_default();
            self.line(&format!("  {name} says {said}"));
        }
        let time = request
            .time
            .and_then(|seconds| jiff::Timestamp::from_microsecond((seconds * 1e6) as i64).ok());
        if let Some(time) = time {
            self.line(&format!("  received {time}"));
        }
        for answer in &request.answers {
            self.answer(answer);
        }
    }

    fn answers(&mut self, name: &str, answers: &[serde_json::Value]) {
        if answers.is_empty() {
            return;
        }
        self.heading(name);
        for answer in answers {
            self.answer(answer);
        }
    }

    /// A question and its answer; both are short and harmless already.
    fn answer(&mut self, answer: &serde_json::Value) {
        self.0.push(format!("  {}", answers::line(answer)));
    }

    fn call(&mut self, call: &Call) {
        self.heading(&format!("call of {}.{}", call.module, call.function));
        for (name, value) in &call.arguments {
            self.line(&format!("  {name} = {}", written(value)));
        }
        self.values("  ", &call.keywords);
        self.answers("answered in its thread or task", &call.answers);
    }
}

fn relation_of(relation: &homeostasis_domain::capsule::Relation) -> &'static str {
    use homeostasis_domain::capsule::Relation;
    match relation {
        Relation::Cause => "caused by",
        Relation::Context => "while handling",
        Relation::Member => "with",
    }
}

fn body(body: &Body) -> String {
    let cut = match (&body.sha256, body.truncated) {
        (Some(hash), _) => format!(", cut, as a whole sha256 {hash}"),
        (None, true) => ", cut".to_string(),
        (None, false) => String::new(),
    };
    let bytes = STANDARD.decode(&body.data).unwrap_or_default();
    match std::str::from_utf8(&bytes) {
        Ok("") => format!("{} bytes of body{cut}", body.len),
        Ok(text) => format!("{} bytes of body{cut}: {text}", body.len),
        Err(_) => format!("{} bytes of body{cut}, no text", body.len),
    }
}
