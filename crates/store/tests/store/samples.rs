//! Small domain values for the tests; not patients.

use homeostasis_domain::capsule::{
    Capsule, CapsuleKind, Exception, Frame, Process, Request, Runtime,
};
use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::heal::HealEvent;
use homeostasis_domain::rollout::{Measurement, PlannedFile, RolloutPlan};
use homeostasis_domain::trial::{Check, CheckName, CheckStatus};
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{
    Answer, Candidate, CandidateOrigin, Diagnosis, Event, EventId, FaultCode, FileEdit,
    Fingerprint, Hypothesis, IncidentId, Outcome, Safety, SwapId, Trial, Verdict,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn event(id: &str, fingerprint: &str, second: i64) -> Event {
    Event {
        id: EventId::new(id),
        service: "shop".to_string(),
        environment: "production".to_string(),
        time: at(second),
        received: at(second),
        signature: format!("signature of {fingerprint}"),
        fingerprint: Fingerprint::new(fingerprint),
        capsule: capsule(),
        witnesses: Vec::new(),
    }
}

fn capsule() -> Capsule {
    Capsule {
        schema: 1,
        kind: CapsuleKind::Request,
        hook: "flask.handle_exception".to_string(),
        process: Process {
            pid: 7,
            argv: vec!["gunicorn".to_string()],
            cwd: "/srv/shop".to_string(),
            executable: "/srv/venv/bin/python".to_string(),
            runtime: Runtime {
                name: "CPython".to_string(),
                version: "3.11.7".to_string(),
            },
            thread: "MainThread".to_string(),
            task: None,
            role: "script".to_string(),
            frameworks: BTreeMap::new(),
        },
        exceptions: vec![Exception {
            type_name: "KeyError".to_string(),
            module: "builtins".to_string(),
            message: "'qty'".to_string(),
            relation: None,
            attributes: BTreeMap::new(),
            notes: Vec::new(),
            frames: vec![frame()],
        }],
        request: Some(request()),
        call: None,
        answers: Vec::new(),
        redacted: Vec::new(),
        missing: Vec::new(),
    }
}

fn frame() -> Frame {
    Frame {
        file: "/srv/shop/shop/orders.py".to_string(),
        module: "shop.orders".to_string(),
        function: "create".to_string(),
        line: 12,
        end_line: None,
        column: None,
        end_column: None,
        first_line: 10,
        in_app: true,
        source_sha256: None,
        text: "qty = line[\"qty\"]".to_string(),
        arguments: Vec::new(),
        locals: BTreeMap::new(),
        globals: BTreeMap::new(),
    }
}

fn request() -> Request {
    Request {
        protocol: "wsgi".to_string(),
        method: "POST".to_string(),
        scheme: "http".to_string(),
        path: "/orders".to_string(),
        root_path: String::new(),
        query: String::new(),
        route: "POST /orders".to_string(),
        http_version: "1.1".to_string(),
        headers: Vec::new(),
        client: None,
        server: None,
        body: Default::default(),
        credentials: Vec::new(),
        answers: Vec::new(),
        time: None,
    }
}

pub(crate) fn opened(incident: &IncidentId, source: &str) -> HealEvent {
    HealEvent::Opened {
        incident: incident.clone(),
        source: EventId::new(source),
    }
}

pub(crate) fn diagnosed(class: &str) -> HealEvent {
    HealEvent::Diagnosed {
        diagnosis: Diagnosis {
            hypotheses: vec![Hypothesis {
                engine: "syntax".to_string(),
                class: FaultCode::new(class),
                cause: Cause::Code,
                summary: "the key is missing".to_string(),
                error: "KeyError".to_string(),
                location: None,
                operands: Vec::new(),
                confidence: 0.9,
                evidence: Vec::new(),
            }],
            report: Vec::new(),
        },
    }
}

pub(crate) fn candidate(number: usize) -> Candidate {
    let edits = vec![FileEdit::new(
        "/srv/shop/shop/orders.py",
        "old",
        format!("new {number}"),
    )];
    Candidate {
        id: Candidate::id_of(&edits),
        origin: CandidateOrigin::Rule {
            rule: "python/missing_key".to_string(),
            fix: "default".to_string(),
        },
        safety: Safety::Safe,
        title: format!("Candidate {number}"),
        rationale: String::new(),
        answer: Answer::Success,
        diff: format!("-old\n+new {number}\n"),
        edits,
        score: 1.0,
    }
}

pub(crate) fn trial(candidate: Option<&Candidate>, status: CheckStatus) -> Trial {
    Trial {
        candidate: candidate.map(|candidate| candidate.id.clone()),
        checks: vec![Check {
            name: CheckName::Heals,
            status,
            summary: String::new(),
            detail: serde_json::Value::Null,
            milliseconds: 0.1,
        }],
        milliseconds: 1.25,
    }
}

pub(crate) fn judged(chosen: Option<&Candidate>, decision: Decision) -> HealEvent {
    HealEvent::Judged {
        verdict: Verdict {
            chosen: chosen.map(|candidate| candidate.id.clone()),
            reasons: Vec::new(),
            summary: "as measured".to_string(),
        },
        decision,
        policy: "as configured".to_string(),
    }
}

pub(crate) fn planned(candidate: &Candidate) -> HealEvent {
    HealEvent::Planned {
        plan: RolloutPlan {
            swap: SwapId::new("swap"),
            candidate: candidate.id.clone(),
            driver: "swap".to_string(),
            files: vec![PlannedFile {
                path: "/srv/shop/shop/orders.py".to_string(),
                old_sha256: String::new(),
                new_sha256: String::new(),
            }],
            canary: Some(7),
            processes: vec![7, 8],
        },
    }
}

pub(crate) fn measurement(seconds: f64) -> Measurement {
    Measurement {
        requests: 40,
        seconds,
        chance_by_luck: 0.1 + 0.2,
        ..Measurement::default()
    }
}

pub(crate) fn abstained() -> HealEvent {
    HealEvent::Closed {
        outcome: Outcome::Abstained {
            reason: "nothing worth proposing".to_string(),
        },
    }
}

/// An event whose message and captured value carry a text, so that it can be looked for.
pub(crate) fn event_with(id: &str, fingerprint: &str, second: i64, text: &str) -> Event {
    let mut event = event(id, fingerprint, second);
    let exception = &mut event.capsule.exceptions[0];
    exception.message = text.to_string();
    exception.frames[0].locals.insert(
        "line".to_string(),
        serde_json::from_value(serde_json::json!({"t": "str", "v": text, "len": text.len()}))
            .unwrap(),
    );
    event
}
