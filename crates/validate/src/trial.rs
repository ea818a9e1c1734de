//! One candidate through all checks: the cheap ones first, the replay and the tests at the same time, and no further
//! than the first that fails. What was not run is not listed.

use crate::baseline::{Recording, failing_requests, witness_requests};
use crate::checks::{Found, builds, heals, replay as healthy, silencing, static_policy, tests};
use crate::context::Context;
use crate::effects;
use crate::replay::{self, Compiled, replay};
use crate::structure::{Finding, guesses};
use crate::suite::{self, SuiteResult};
use homeostasis_domain::{Answer, Candidate, Check, CheckName, CheckStatus, Safety, Trial};
use homeostasis_protocol::Exchange;
use std::borrow::Borrow;
use std::path::PathBuf;
use std::time::Instant;

/// Tries one candidate.
///
/// `recording` is of [`crate::baseline`]; `suite` gives the tests' own baseline, which may still be running.
pub async fn try_candidate<F, R>(
    context: &Context,
    candidate: &Candidate,
    recording: &Recording,
    suite: F,
) -> Trial
where
    F: Future<Output = R> + Send,
    R: Borrow<SuiteResult>,
{
    let context = Context {
        way: recording.way,
        ..context.clone()
    };
    let mut attempt = Attempt::new(&context, candidate, recording);
    attempt.run(suite).await;
    Trial {
        candidate: Some(candidate.id.clone()),
        checks: attempt.checks,
        milliseconds: attempt.begun.elapsed().as_secs_f64() * 1e3,
    }
}

struct Attempt<'a> {
    context: &'a Context,
    candidate: &'a Candidate,
    recording: &'a Recording,
    overrides: Vec<(PathBuf, Vec<u8>)>,
    begun: Instant,
    lap: Instant,
    checks: Vec<Check>,
}

/// What the patched program did.
struct Patched {
    compiled: Option<Vec<Compiled>>,
    failing: Result<Exchange, String>,
    witnesses: Result<Vec<Exchange>, String>,
}

impl<'a> Attempt<'a> {
    fn new(context: &'a Context, candidate: &'a Candidate, recording: &'a Recording) -> Self {
        let overrides = candidate
            .edits
            .iter()
            .map(|edit| {
                (
                    PathBuf::from(&edit.path),
                    edit.new_text.clone().into_bytes(),
                )
            })
            .collect();
        let now = Instant::now();
        Self {
            context,
            candidate,
            recording,
            overrides,
            begun: now,
            lap: now,
            checks: Vec::new(),
        }
    }

    async fn run<F, R>(&mut self, baseline: F)
    where
        F: Future<Output = R> + Send,
        R: Borrow<SuiteResult>,
    {
        let context = self.context;
        if !self.note(
            CheckName::Static,
            static_policy::check(context, self.candidate),
        ) {
            return;
        }
        let findings = silencing::findings(self.candidate);
        if let Some(found) = silencing::by_text(&findings) {
            self.note(CheckName::Silencing, found);
            return;
        }
        // Without a program that fails, "it does not fail any more" means nothing.
        if self.recording.failing.is_none() {
            self.note(
                CheckName::Heals,
                Found::error("the unpatched program was never seen to fail, so nothing can be shown to be healed"),
            );
            return;
        }
        let overrides = self.overrides.clone();
        let mut suite = Box::pin(suite::run(context, overrides, &[]));
        let mut done = None;
        let patched = {
            let mut patched = Box::pin(self.patched(&self.overrides));
            loop {
                tokio::select! {
                    patched = &mut patched => break patched,
                    result = &mut suite, if done.is_none() => done = Some(result),
                }
            }
        };
        if !self.judge_replay(&findings, &patched).await {
            return;
        }
        let mut baseline = Box::pin(baseline);
        let (old, new) = match done {
            Some(new) => (baseline.await, new),
            None => tokio::select! {
                new = &mut suite => (baseline.await, new),
                old = &mut baseline => {
                    // With nothing to compare with, the candidate's own run would show nothing.
                    let new = match old.borrow().is_comparable() {
                        true => suite.await,
                        false => old.borrow().clone(),
                    };
                    (old, new)
                }
            },
        };
        let old = old.borrow();
        let again = if tests::worth_another_run(old, &new) {
            let lost = tests::lost(old, &new);
            Some(suite::run(context, self.overrides.clone(), &lost).await)
        } else {
            None
        };
        self.note(CheckName::Tests, tests::check(old, &new, again.as_ref()));
        self.want_evidence();
    }

    /// Starts the patched program once where the recording shows that one start will do, else twice.
    async fn patched(&self, overrides: &[(PathBuf, Vec<u8>)]) -> Patched {
        let context = self.context;
        let kind = match replay::kind(context) {
            Ok(kind) => kind,
            Err(reason) => {
                return Patched {
                    compiled: None,
                    failing: Err(reason.clone()),
                    witnesses: Err(reason),
                };
            }
        };
        let (healthy, failing) = (
            witness_requests(context, kind),
            failing_requests(context, kind),
        );
        if self.recording.together {
            let all = healthy.into_iter().chain(failing).collect();
            let replayed = replay(context, kind, all, overrides.to_vec()).await;
            let compiled = replayed.compiled;
            return match replayed.exchanges {
                Ok(mut exchanges) => Patched {
                    compiled,
                    failing: exchanges
                        .pop()
                        .ok_or_else(|| "nothing was replayed".to_string()),
                    witnesses: Ok(exchanges),
                },
                Err(reason) => Patched {
                    compiled,
                    failing: Err(reason.clone()),
                    witnesses: Err(reason),
                },
            };
        }
        let replayed = replay(context, kind, failing, overrides.to_vec()).await;
        let witnesses = if healthy.is_empty() {
            Ok(Vec::new())
        } else {
            replay(context, kind, healthy, overrides.to_vec())
                .await
                .exchanges
        };
        Patched {
            compiled: replayed.compiled,
            failing: replayed
                .exchanges
                .and_then(|mut all| all.pop().ok_or_else(|| "nothing was replayed".to_string())),
            witnesses,
        }
    }

    async fn judge_replay(&mut self, findings: &[Finding], patched: &Patched) -> bool {
        let (context, candidate, recording) = (self.context, self.candidate, self.recording);
        if !self.note(
            CheckName::Builds,
            builds::check(candidate, patched.compiled.as_ref()),
        ) {
            return false;
        }
        let found = heals::check(context, candidate, patched.failing.as_ref());
        if !self.note(CheckName::Heals, found) {
            return false;
        }
        let again = self.noise(patched).await;
        let new = patched.witnesses.as_deref();
        if !self.note(
            CheckName::Replay,
            healthy::check(context, recording, again.as_deref(), new),
        ) {
            return false;
        }
        match &patched.failing {
            Ok(healed) => {
                let mut found = silencing::check(context, candidate, findings, recording, healed);
                if found.status == CheckStatus::Passed
                    && let Some(guessed) = self.guessed(healed).await
                {
                    found = guessed;
                }
                self.note(CheckName::Silencing, found)
            }
            Err(_) => false,
        }
    }

    /// Does a value that the candidate makes up reach what is kept? Found out by making up another one. An author who
    /// calls the candidate safe vouches for its values, and a refusal keeps nothing.
    async fn guessed(&self, healed: &Exchange) -> Option<Found> {
        let candidate = self.candidate;
        let keeps = !effects::writes(&healed.effects).is_empty();
        if candidate.safety == Safety::Safe || candidate.answer == Answer::ClientError || !keeps {
            return None;
        }
        let mut overrides = self.overrides.clone();
        let mut values = Vec::new();
        for (edit, (_, bytes)) in candidate.edits.iter().zip(&mut overrides) {
            if let Some((text, made_up)) = guesses::replaced(edit) {
                *bytes = text.into_bytes();
                values.extend(made_up);
            }
        }
        if values.is_empty() {
            return None;
        }
        let (again, other) = tokio::join!(self.patched(&self.overrides), self.patched(&overrides));
        silencing::guessed(&values, healed, &again.failing.ok()?, &other.failing.ok()?)
    }

    /// A second run of the unpatched program, only when there is a difference that might be noise.
    async fn noise(&self, patched: &Patched) -> Option<Vec<Exchange>> {
        let new = patched.witnesses.as_ref().ok()?;
        healthy::first_difference(self.context, self.recording, None, new)?;
        let kind = replay::kind(self.context).ok()?;
        let requests = witness_requests(self.context, kind);
        replay(self.context, kind, requests, Vec::new())
            .await
            .exchanges
            .ok()
    }

    /// A remedy that may change the meaning needs evidence that it does not: tests or healthy requests.
    fn want_evidence(&mut self) {
        let has = |name: CheckName| {
            self.checks
                .iter()
                .any(|check| check.name == name && check.status == CheckStatus::Passed)
        };
        if self.candidate.safety == Safety::Safe || has(CheckName::Tests) || has(CheckName::Replay)
        {
            return;
        }
        for check in &mut self.checks {
            if check.name == CheckName::Silencing && check.status == CheckStatus::Passed {
                check.status = CheckStatus::Inconclusive;
                check.summary = "the remedy may change the meaning, and neither tests nor healthy requests show that it does not".to_string();
            }
        }
    }

    /// Lists a check; false when the rest is not worth running.
    fn note(&mut self, name: CheckName, found: Found) -> bool {
        let milliseconds = self.lap.elapsed().as_secs_f64() * 1e3;
        self.lap = Instant::now();
        let goes_on = matches!(
            found.status,
            CheckStatus::Passed | CheckStatus::Inconclusive
        );
        self.checks.push(found.check(name, milliseconds));
        goes_on
    }
}
