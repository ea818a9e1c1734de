//! The unpatched program: does it fail again, with the same fingerprint, and what does it do with healthy requests?

use crate::checks::reproduces;
use crate::context::{Context, Way};
use crate::replay::{self, replay};
use homeostasis_domain::capsule::Request;
use homeostasis_domain::{Capsule, Trial};
use homeostasis_protocol::{Exchange, ReplayKind};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The trial of the unpatched program, and what was recorded on the way for comparing candidates with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// One check: [`homeostasis_domain::CheckName::Reproduces`].
    pub trial: Trial,
    /// What the program answered and did.
    pub recording: Recording,
}

/// What the unpatched program did in the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The exchange that failed again.
    pub failing: Option<Exchange>,
    /// One for each witness that can be sent again, in their order.
    pub witnesses: Vec<Exchange>,
    /// It failed after the witnesses had been answered in the same process, so that a candidate needs one start only.
    pub together: bool,
    /// The way in which it failed.
    #[serde(default)]
    pub way: Way,
}

/// Runs the failing request against the unpatched program.
///
/// The witnesses go first, in the same process, which saves starting the program again for them. Should the failure
/// not come then, it is tried alone, twice; and should it never come, in the other ways that the capsule allows.
pub async fn baseline(context: &Context) -> Baseline {
    let begun = Instant::now();
    let (mut measured, mut recording) = measure(context).await;
    let mut shown_by = context.clone();
    for way in other_ways(context) {
        if is_shown(&shown_by, &measured) {
            break;
        }
        let otherwise = Context {
            way,
            ..context.clone()
        };
        let (again, other) = measure(&otherwise).await;
        if is_shown(&otherwise, &again) {
            (measured, recording) = (again, Recording { way, ..other });
            shown_by = otherwise;
        }
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    let check = reproduces::check(&shown_by, measured, milliseconds);
    Baseline {
        trial: Trial {
            candidate: None,
            checks: vec![check],
            milliseconds,
        },
        recording,
    }
}

fn is_shown(context: &Context, measured: &Result<Exchange, String>) -> bool {
    measured
        .as_ref()
        .is_ok_and(|failing| reproduces::same(context, failing))
}

/// What else can be tried: a file may hold something else by now, and a whole program may not come to the same point.
fn other_ways(context: &Context) -> Vec<Way> {
    let capsule = &context.capsule;
    let mut ways = Vec::new();
    if asked_files(capsule) {
        ways.push(Way {
            recorded_files: true,
            ..context.way
        });
    }
    if replay::kind(context) == Ok(ReplayKind::Process) && capsule.call.is_some() {
        ways.push(Way {
            call: true,
            recorded_files: asked_files(capsule),
        });
    }
    ways
}

/// Did the failing request ask a database in a file?
fn asked_files(capsule: &Capsule) -> bool {
    let of_request = capsule.request.iter().flat_map(|request| &request.answers);
    let of_call = capsule.call.iter().flat_map(|call| &call.answers);
    of_request
        .chain(of_call)
        .any(|answer| answer["driver"] == "sqlite3")
}

async fn measure(context: &Context) -> (Result<Exchange, String>, Recording) {
    let mut recording = Recording::default();
    let kind = match replay::kind(context) {
        Ok(kind) => kind,
        Err(reason) => return (Err(reason), recording),
    };
    let mut last = Err("it was not tried".to_string());
    let healthy = witness_requests(context, kind);
    if !healthy.is_empty() {
        let requests = healthy.iter().chain(context.request()).cloned().collect();
        match replay(context, kind, requests, Vec::new()).await.exchanges {
            Ok(mut exchanges) => {
                let failing = exchanges.pop();
                recording.witnesses = exchanges;
                if let Some(failing) = failing {
                    recording.together = reproduces::same(context, &failing);
                    recording.failing = Some(failing.clone());
                    last = Ok(failing);
                }
            }
            Err(reason) => last = Err(reason),
        }
    }
    for _ in 0..2 {
        if is_shown(context, &last) {
            break;
        }
        last = replay(context, kind, failing_requests(context, kind), Vec::new())
            .await
            .exchanges
            .and_then(|mut exchanges| {
                exchanges
                    .pop()
                    .ok_or_else(|| "nothing was replayed".to_string())
            });
        if let Ok(failing) = &last {
            recording.failing = Some(failing.clone());
        }
    }
    (last, recording)
}

/// Requests of the witnesses, where requests are what is replayed.
pub(crate) fn witness_requests(context: &Context, kind: ReplayKind) -> Vec<Request> {
    match kind {
        ReplayKind::Request => context
            .sendable()
            .into_iter()
            .map(|witness| witness.request.clone())
            .collect(),
        ReplayKind::Process | ReplayKind::Call => Vec::new(),
    }
}

/// The failing request alone.
pub(crate) fn failing_requests(context: &Context, kind: ReplayKind) -> Vec<Request> {
    match kind {
        ReplayKind::Request => context.request().into_iter().cloned().collect(),
        ReplayKind::Process | ReplayKind::Call => Vec::new(),
    }
}

impl Recording {
    /// Places of the witnesses that are evidence: the unpatched program answers them in the sandbox as it did in
    /// production. One whose credentials were redacted, for example, is not.
    pub(crate) fn valid(&self, context: &Context) -> Vec<usize> {
        let sent = context.sendable();
        self.witnesses
            .iter()
            .enumerate()
            .filter(|(place, exchange)| {
                let recorded = sent.get(*place).map(|witness| witness.response.status);
                exchange.exceptions.is_empty()
                    && exchange.unanswered.is_empty()
                    && recorded.is_some()
                    && exchange.status == recorded
                    && recorded.is_some_and(|status| status < 400)
            })
            .map(|(place, _)| place)
            .collect()
    }
}
