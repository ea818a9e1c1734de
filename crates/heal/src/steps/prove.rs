//! Reproduce, try, judge: the trials, with the heal's facts.

use super::Failure;
use crate::gather;
use crate::handle::{Inner, lock};
use crate::snapshot::{self, Snapshot};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use homeostasis_domain::capsule::Witness;
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::verdict::Verdict;
use homeostasis_domain::{
    CandidateId, Capsule, CheckName, Decision, Event, FaultCode, HealId, Outcome, Trial,
};
use homeostasis_policy::guard::heals_counted;
use homeostasis_policy::{Mode, PolicyInput};
use homeostasis_protocol::Hello;
use homeostasis_validate::{
    Baseline, Context, JudgeInput, Program, Suite, SuiteResult, TrialLimits, Way,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The test suite's own result on one state of the code; shared by all heals on that state, and begun while the
/// failure is still being reproduced.
pub(crate) type SuiteBaseline = Shared<BoxFuture<'static, Arc<SuiteResult>>>;

/// Suites of this many states of the code are remembered.
const REMEMBERED_SUITES: usize = 16;
/// More healthy exchanges than this are not replayed in a trial.
const MOST_WITNESSES: usize = 4;

pub(crate) async fn reproduce(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    if let Some(outcome) = without_trials(inner, state) {
        return Ok(HealEvent::Closed { outcome });
    }
    let event = super::source(inner, state).await?;
    let (context, snapshot) = context(inner, heal, event).await?;
    // The suite's baseline runs beside the reproduction; both are needed before the first candidate is judged.
    let suite = suite(inner, &context, &snapshot);
    tokio::spawn(suite);
    let trial = measure(inner, heal, &context).await.baseline.trial.clone();
    if trial.passed(CheckName::Reproduces) {
        return Ok(HealEvent::Reproduced { trial });
    }
    let summary = trial
        .check(CheckName::Reproduces)
        .map(|check| check.summary.clone())
        .unwrap_or_default();
    let after = changed_by(inner, state)
        .await?
        .map(|heal| format!(" (heal {heal} has changed this code since)"))
        .unwrap_or_default();
    let reason = format!("the failure could not be reproduced: {summary}{after}");
    Ok(HealEvent::Closed {
        outcome: Outcome::Abstained { reason },
    })
}

/// The reproduction alone, remembered by nobody.
pub(crate) async fn reproduced_by_itself(
    inner: &Arc<Inner>,
    own: &HealId,
    event: Event,
) -> Result<Trial, Failure> {
    let (context, _snapshot) = context(inner, own, event).await?;
    Ok(homeostasis_validate::baseline(&context).await.trial)
}

/// Has the context run the failure again in the way that showed it.
pub(crate) async fn as_reproduced(inner: &Inner, heal: &HealId, context: &mut Context) {
    let measured = remembered(inner, heal, context).await;
    context.way = measured.baseline.recording.way;
}

pub(crate) async fn try_candidate(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
    id: &CandidateId,
) -> Result<HealEvent, Failure> {
    let candidate = state
        .candidates
        .iter()
        .find(|candidate| candidate.id == *id)
        .ok_or("the candidate is unknown")?;
    let event = super::source(inner, state).await?;
    let (mut context, snapshot) = context(inner, heal, event).await?;
    let suite = suite(inner, &context, &snapshot);
    let mut measured = remembered(inner, heal, &context).await;
    if measured.witnesses.is_empty() && !context.witnesses.is_empty() {
        // The first healthy requests came after the reproduction.
        measured = measure(inner, heal, &context).await;
    }
    // Others may have come to be known since; the unpatched program was not asked for them.
    context.witnesses.clone_from(&measured.witnesses);
    let recording = &measured.baseline.recording;
    let trial = homeostasis_validate::try_candidate(&context, candidate, recording, suite).await;
    Ok(HealEvent::Tried { trial })
}

pub(crate) async fn judge(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    let baseline = state.baseline.as_ref().ok_or("there is no baseline")?;
    let input = JudgeInput {
        baseline,
        candidates: &state.candidates,
        trials: &state.trials,
    };
    let verdict = homeostasis_validate::judge(&input);
    lock(&inner.baselines).remove(heal);
    let chosen = verdict.chosen.as_ref().and_then(|id| {
        state
            .candidates
            .iter()
            .find(|candidate| candidate.id == *id)
    });
    let (decision, policy) = match chosen {
        None => (Decision::Forbid, "there is nothing to decide".to_string()),
        Some(candidate) => {
            let trial = state
                .trials
                .iter()
                .find(|trial| trial.candidate.as_ref() == Some(&candidate.id));
            let evidence = trial.is_some_and(|trial| {
                trial.passed(CheckName::Tests) && trial.passed(CheckName::Replay)
            });
            let since = Timestamp::now() - SignedDuration::from_hours(24);
            let recent = inner.store.heals_since(&heal.incident(), since).await?;
            let outcomes: Vec<Option<Outcome>> =
                recent.into_iter().map(|(_, outcome)| outcome).collect();
            homeostasis_policy::decide(&PolicyInput {
                config: &inner.config.policy,
                root: &inner.config.root,
                class: &class_of(state),
                candidate,
                verdict: &verdict,
                evidence_complete: evidence,
                heals_last_day: heals_counted(&outcomes),
                stopped: inner.is_stopped(),
            })
        }
    };
    let (decision, policy) = not_without_tests(inner, state, &verdict, decision, policy);
    Ok(HealEvent::Judged {
        verdict,
        decision,
        policy,
    })
}

/// A program that has tests is not changed by itself when they could not be run: what they would have said is unknown.
fn not_without_tests(
    inner: &Inner,
    state: &State,
    verdict: &Verdict,
    decision: Decision,
    policy: String,
) -> (Decision, String) {
    let trial = state
        .trials
        .iter()
        .find(|trial| trial.candidate == verdict.chosen);
    let told = trial.is_some_and(|trial| trial.passed(CheckName::Tests));
    if decision != Decision::Go
        || told
        || Suite::find(&inner.config.root, inner.config.tests.clone()).is_none()
    {
        return (decision, policy);
    }
    (
        Decision::Ask,
        "the program has tests, and they could not be run; a person decides without them"
            .to_string(),
    )
}

/// The capsule with what the reproduction showed in the place of what production showed. It stays in memory: nothing
/// was redacted inside the sandbox.
pub(crate) async fn reproduced_capsule(
    inner: &Arc<Inner>,
    heal: &HealId,
    event: Event,
) -> Result<Capsule, Failure> {
    let capsule = event.capsule.clone();
    let (context, _) = context(inner, heal, event).await?;
    let measured = remembered(inner, heal, &context).await;
    let shown = measured
        .baseline
        .recording
        .failing
        .as_ref()
        .map(|failing| failing.exceptions.clone());
    Ok(match shown.filter(|exceptions| !exceptions.is_empty()) {
        Some(exceptions) => Capsule {
            exceptions,
            ..capsule
        },
        None => capsule,
    })
}

/// What the unpatched program did. A restart has forgotten it; then the program does it again.
async fn remembered(inner: &Inner, heal: &HealId, context: &Context) -> Arc<Measured> {
    let known = lock(&inner.baselines).get(heal).cloned();
    match known {
        Some(measured) => measured,
        None => measure(inner, heal, context).await,
    }
}

/// Has the unpatched program do it, and remembers that.
async fn measure(inner: &Inner, heal: &HealId, context: &Context) -> Arc<Measured> {
    let measured = Arc::new(Measured {
        witnesses: context.witnesses.clone(),
        baseline: homeostasis_validate::baseline(context).await,
    });
    lock(&inner.baselines).insert(heal.clone(), measured.clone());
    measured
}

/// What the unpatched program did with the failing request and with these healthy ones.
pub(crate) struct Measured {
    /// In the order of the recording.
    witnesses: Vec<Witness>,
    baseline: Baseline,
}

/// Whether a heal goes on to trials at all; one that does not need not wait for its turn.
pub(crate) fn worth_trials(inner: &Inner, state: &State) -> bool {
    without_trials(inner, state).is_none()
}

/// Why nothing is to be tried at all: the mode, or a cause that no change of code removes.
fn without_trials(inner: &Inner, state: &State) -> Option<Outcome> {
    if inner.config.policy.mode == Mode::Observe {
        return Some(Outcome::Abstained {
            reason: "the mode is observe: failures are diagnosed, nothing is tried".to_string(),
        });
    }
    let hypotheses = &state.diagnosis.as_ref()?.hypotheses;
    let Some(best) = hypotheses.first() else {
        return Some(Outcome::Abstained {
            reason: "no engine could explain the failure".to_string(),
        });
    };
    let code = hypotheses
        .iter()
        .any(|hypothesis| hypothesis.cause == homeostasis_domain::diagnosis::Cause::Code);
    (!code).then(|| Outcome::Abstained {
        reason: format!("no change of code is the remedy: {}", best.summary),
    })
}

fn class_of(state: &State) -> FaultCode {
    let best = state
        .diagnosis
        .as_ref()
        .and_then(|diagnosis| diagnosis.hypotheses.first());
    best.map_or_else(
        || FaultCode::new("infra.unknown"),
        |hypothesis| hypothesis.class.clone(),
    )
}

pub(crate) async fn context(
    inner: &Arc<Inner>,
    heal: &HealId,
    event: Event,
) -> Result<(Context, Snapshot), Failure> {
    let snapshot = gather::snapshot(inner, heal).await?;
    let hello = gather::hello(inner, &event.capsule);
    let config = &inner.config;
    let program = Program {
        command: config.command.clone(),
        cwd: config.cwd.clone(),
        environment: gather::variables(inner, event.capsule.process.pid),
        root: config.root.clone(),
        readable: hello
            .as_ref()
            .map(|hello| readable(&config.root, hello))
            .unwrap_or_default(),
        python: PathBuf::from(&event.capsule.process.executable),
        agent_path: config.agent.clone(),
    };
    let context = Context {
        suite: Suite::find(&snapshot.tree, config.tests.clone()),
        program,
        tree: snapshot.tree.clone(),
        fingerprint: event.fingerprint.clone(),
        fingerprint_of: Arc::new(homeostasis_ingest::group::fingerprint),
        witnesses: witnesses(inner, &event),
        capsule: event.capsule,
        way: Way::default(),
        limits: config
            .tests_time
            .map_or_else(TrialLimits::default, TrialLimits::with_suite_of),
        launcher: config.launcher.clone(),
    };
    Ok((context, snapshot))
}

/// Healthy exchanges on the event's route: those that came with it, and those that other events brought since.
fn witnesses(inner: &Inner, event: &Event) -> Vec<Witness> {
    let mut witnesses = event.witnesses.clone();
    let known = event
        .capsule
        .route()
        .map(|route| lock(&inner.witnesses).of(route))
        .unwrap_or_default();
    for witness in known {
        if witnesses.len() < MOST_WITNESSES && !witnesses.contains(&witness) {
            witnesses.push(witness);
        }
    }
    witnesses
}

/// What the interpreter needs to see besides the tree: its prefixes and module folders, but nothing that would cover
/// the tree's copy with the real tree.
fn readable(root: &Path, hello: &Hello) -> Vec<PathBuf> {
    let prefixes: Vec<PathBuf> = hello
        .prefixes
        .iter()
        .map(PathBuf::from)
        .filter(|prefix| !root.starts_with(prefix) || prefix != root)
        .collect();
    let apart = |path: &PathBuf| {
        let inside = path.starts_with(root);
        let installed = prefixes
            .iter()
            .any(|prefix| prefix.starts_with(root) && prefix != root && path.starts_with(prefix));
        path.is_absolute() && path.exists() && path != root && (!inside || installed)
    };
    let all: BTreeSet<PathBuf> = prefixes
        .iter()
        .cloned()
        .chain(hello.search_path.iter().map(PathBuf::from))
        .filter(apart)
        .collect();
    all.into_iter().collect()
}

/// The suite's baseline on this state of the code, begun at most once.
fn suite(inner: &Inner, context: &Context, snapshot: &Snapshot) -> SuiteBaseline {
    let mut suites = lock(&inner.suites);
    if let Some(known) = suites.get(&snapshot.code) {
        return known.clone();
    }
    if suites.len() >= REMEMBERED_SUITES {
        suites.clear();
    }
    let context = context.clone();
    // The heal whose copy this is may end before its tests do, and others share their result.
    let hold = snapshot.tree.parent().map(snapshot::hold);
    let run = async move {
        let result = homeostasis_validate::suite_baseline(&context).await;
        drop(hold);
        Arc::new(result)
    };
    let shared = run.boxed().shared();
    suites.insert(snapshot.code.clone(), shared.clone());
    shared
}

/// Another heal that changed a file on the failure's way since it was captured.
async fn changed_by(inner: &Inner, state: &State) -> Result<Option<HealId>, Failure> {
    let event = super::source(inner, state).await?;
    let frames = event
        .capsule
        .exceptions
        .iter()
        .flat_map(|exception| &exception.frames);
    let files: Vec<&str> = frames
        .filter(|frame| frame.in_app)
        .map(|frame| frame.file.as_str())
        .collect();
    for summary in inner.store.incidents().await? {
        let Some(heal) = summary
            .heal
            .filter(|_| state.incident.as_ref() != Some(&summary.incident.id))
        else {
            continue;
        };
        let other = inner.state(&heal).await?;
        let touched = other.plan.as_ref().is_some_and(|plan| {
            plan.files
                .iter()
                .any(|file| files.contains(&file.path.as_str()))
        });
        if touched && other.is_live() && other.since.is_some_and(|since| since > event.time) {
            return Ok(Some(heal));
        }
    }
    Ok(None)
}
