//! One start of the program in a sandbox that is given recorded requests instead of clients; it does not compare.

use crate::context::Context;
use homeostasis_domain::capsule::{Capsule, CapsuleKind, Request};
use homeostasis_protocol::{Exchange, ReplayInput, ReplayKind, ReplayResult};
use homeostasis_sandbox::{INPUTS, OUTPUTS, Report};
use serde::Deserialize;
use std::path::PathBuf;

const INPUT: &str = "replay.json";
const RESULT: &str = "result.json";
const FILES: &str = "edited.json";
const COMPILER: &str = "compile.py";
const COMPILED: &str = "compiled.json";

/// Compiles the edited files with the program's own interpreter, in the same sandbox, before the program starts.
const COMPILE: &str = include_str!("compile.py");

/// What came of one start.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The exchanges, or why there are none.
    pub(crate) exchanges: Result<Vec<Exchange>, String>,
    /// What the compiler said, when there was something to compile and it came that far.
    pub(crate) compiled: Option<Vec<Compiled>>,
}

/// What the interpreter said to one edited file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Compiled {
    /// Which.
    pub(crate) path: String,
    /// Null when it compiles.
    pub(crate) error: Option<String>,
}

/// The kind of replay that belongs to the capsule, or why there can be none.
pub(crate) fn kind(context: &Context) -> Result<ReplayKind, String> {
    let capsule = &context.capsule;
    match (capsule.kind, &capsule.request) {
        (CapsuleKind::Request, Some(request)) if request.body.truncated => Err(format!(
            "the body of the request was cut when it was captured ({} bytes in all)",
            request.body.len
        )),
        (CapsuleKind::Request, Some(_)) => Ok(ReplayKind::Request),
        (CapsuleKind::Request, None) => Err(because(
            "the request was not captured",
            &context.capsule.missing,
        )),
        (CapsuleKind::Process, _) if ended_its_script(capsule) && !is_called(context) => {
            Ok(ReplayKind::Process)
        }
        (CapsuleKind::Process, _) if capsule.call.is_some() => Ok(ReplayKind::Call),
        (CapsuleKind::Process, _) => Err(because(
            "the failure did not end the program, and no call on the way to it can be made again",
            &capsule.missing,
        )),
    }
}

/// Only a script whose main thread the exception ended comes to the same end when it is run as a whole.
fn ended_its_script(capsule: &Capsule) -> bool {
    let process = &capsule.process;
    process.thread == "MainThread"
        && process.task.is_none()
        && matches!(process.role.as_str(), "" | "script")
        && matches!(capsule.hook.as_str(), "" | "sys.excepthook")
}

/// Is the failing function called again in the place of that?
fn is_called(context: &Context) -> bool {
    context.way.call && context.capsule.call.is_some()
}

fn because(what: &str, missing: &[String]) -> String {
    if missing.is_empty() {
        return what.to_string();
    }
    format!("{what}: {}", missing.join("; "))
}

/// Starts the program with these files changed, and gives it these requests, one after the other.
pub(crate) async fn replay(
    context: &Context,
    kind: ReplayKind,
    requests: Vec<Request>,
    overrides: Vec<(PathBuf, Vec<u8>)>,
) -> Replayed {
    let nothing = |reason: String| Replayed {
        exchanges: Err(reason),
        compiled: None,
    };
    let expected = match kind {
        ReplayKind::Request => requests.len(),
        ReplayKind::Process | ReplayKind::Call => 1,
    };
    let input = ReplayInput {
        schema: 1,
        kind,
        hook: context.capsule.hook.clone(),
        time: match (requests.first(), &context.capsule.call) {
            (Some(request), _) => request.time,
            (None, call) => call.as_ref().and_then(|call| call.time),
        },
        requests,
        answers: context.capsule.answers.clone(),
        recorded_files: context.way.recorded_files,
        call: match kind {
            ReplayKind::Call => context.capsule.call.clone(),
            ReplayKind::Request | ReplayKind::Process => None,
        },
    };
    let files: Vec<&PathBuf> = overrides.iter().map(|(path, _)| path).collect();
    let (Ok(input), Ok(files)) = (serde_json::to_vec(&input), serde_json::to_vec(&files)) else {
        return nothing("the replay cannot be written as JSON".to_string());
    };
    let program = &context.program;
    let limits = context.limits.replay.clone();
    let command = command(context, !overrides.is_empty());
    let mut spec = program.spec(&context.tree, command, overrides, limits);
    spec.environment = program.environment_with_agent();
    for (name, file) in [
        ("HOMEOSTASIS_REPLAY", format!("{INPUTS}/{INPUT}")),
        ("HOMEOSTASIS_REPLAY_RESULT", format!("{OUTPUTS}/{RESULT}")),
    ] {
        spec.environment.insert(name.to_string(), file);
    }
    spec.inputs = vec![
        (INPUT.to_string(), input),
        (FILES.to_string(), files),
        (COMPILER.to_string(), COMPILE.as_bytes().to_vec()),
    ];
    let report = match homeostasis_sandbox::run(&context.launcher, &spec).await {
        Ok(report) => report,
        Err(error) => return nothing(error.to_string()),
    };
    let compiled = report
        .outputs
        .get(COMPILED)
        .and_then(|bytes| serde_json::from_slice(bytes).ok());
    Replayed {
        exchanges: exchanges(&report, expected),
        compiled,
    }
}

/// The program's own command line; with a candidate, its files are compiled first. A file that does not compile does
/// not keep the program from starting: it may not even load it, and what it does then is of interest, too.
fn command(context: &Context, compile: bool) -> Vec<String> {
    let program = &context.program;
    if !compile {
        return program.command.clone();
    }
    let script = format!(
        "\"$0\" -I -S {INPUTS}/{COMPILER} {INPUTS}/{FILES} {OUTPUTS}/{COMPILED}; exec \"$@\""
    );
    let shell = ["/bin/sh", "-c", &script].map(str::to_string);
    let python = program.python.display().to_string();
    shell
        .into_iter()
        .chain([python])
        .chain(program.command.iter().cloned())
        .collect()
}

fn exchanges(report: &Report, expected: usize) -> Result<Vec<Exchange>, String> {
    let Some(bytes) = report.outputs.get(RESULT) else {
        return Err(format!(
            "the program ended without a result ({}){}",
            report.exit,
            tail(report)
        ));
    };
    let result: ReplayResult = serde_json::from_slice(bytes)
        .map_err(|error| format!("the result of the replay cannot be read: {error}"))?;
    if !result.ready {
        let error = result
            .error
            .unwrap_or_else(|| "no reason given".to_string());
        return Err(format!(
            "the program did not start: {error}{}",
            tail(report)
        ));
    }
    if result.exchanges.len() != expected {
        return Err(format!(
            "{} of {expected} requests were replayed ({}){}",
            result.exchanges.len(),
            report.exit,
            tail(report)
        ));
    }
    Ok(result.exchanges)
}

/// The last lines of standard error, which say most.
pub(crate) fn tail(report: &Report) -> String {
    let text = String::from_utf8_lossy(&report.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    if last.is_empty() {
        return String::new();
    }
    format!("; its last words: {}", last.join(" | "))
}
