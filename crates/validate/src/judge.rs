//! The judge: trials in, a verdict with its reasons out. It is pure, and abstaining is respectable.

use homeostasis_domain::verdict::{Reason, Weight};
use homeostasis_domain::{Candidate, Check, CheckName, CheckStatus, Safety, Trial, Verdict};

/// All that was measured for one incident.
#[derive(Clone, Copy, Debug)]
pub struct JudgeInput<'a> {
    /// In the order in which they were to be tried.
    pub candidates: &'a [Candidate],
    /// Of those that were.
    pub trials: &'a [Trial],
    /// The unpatched program.
    pub baseline: &'a Trial,
}

/// Chooses the best candidate that has everything for it and nothing against it, or none.
pub fn judge(input: &JudgeInput<'_>) -> Verdict {
    let mut reasons = Vec::new();
    let reproduced = input.baseline.passed(CheckName::Reproduces);
    if let Some(check) = input.baseline.check(CheckName::Reproduces) {
        let (code, weight) = match check.status {
            CheckStatus::Passed => ("reproduces", Weight::For),
            _ => ("reproduces.not", Weight::Refuses),
        };
        reasons.push(reason(None, code, weight, &check.summary));
    }
    let mut best: Option<&Candidate> = None;
    let mut tried = 0;
    for candidate in input.candidates {
        let Some(trial) = trial_of(input.trials, candidate) else {
            continue;
        };
        tried += 1;
        let own = weigh(candidate, trial);
        let refused = own.iter().any(|reason| reason.weight == Weight::Refuses);
        reasons.extend(own);
        let better = best.is_none_or(|best| rank(candidate) > rank(best));
        if !refused && reproduced && better {
            best = Some(candidate);
        }
    }
    let summary = match best {
        Some(candidate) => format!("\"{}\" {}", candidate.title, praise(input, candidate)),
        None => abstention(input, &reasons, reproduced, tried),
    };
    if let Some(candidate) = best {
        reasons.push(reason(
            Some(candidate),
            "chosen",
            Weight::For,
            "it has everything for it and ranks first among those that have",
        ));
    }
    Verdict {
        chosen: best.map(|candidate| candidate.id.clone()),
        reasons,
        summary,
    }
}

/// A candidate is tried at most once in a heal; should it be there twice, neither counts for the other.
fn trial_of<'a>(trials: &'a [Trial], candidate: &Candidate) -> Option<&'a Trial> {
    let mut own = trials
        .iter()
        .filter(|trial| trial.candidate.as_ref() == Some(&candidate.id));
    match (own.next(), own.next()) {
        (Some(trial), None) => Some(trial),
        // Of several, a bad one speaks.
        (Some(first), Some(_)) => trials
            .iter()
            .filter(|trial| trial.candidate.as_ref() == Some(&candidate.id))
            .find(|trial| !trial.is_clean())
            .or(Some(first)),
        (None, _) => None,
    }
}

fn rank(candidate: &Candidate) -> (Safety, f64) {
    // A score that is no number ranks last.
    let score = if candidate.score.is_nan() {
        f64::NEG_INFINITY
    } else {
        candidate.score
    };
    (candidate.safety, score)
}

fn weigh(candidate: &Candidate, trial: &Trial) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = trial
        .checks
        .iter()
        .map(|check| weigh_check(candidate, check))
        .collect();
    let mut refuse = |code: &str, text: &str| {
        reasons.push(reason(Some(candidate), code, Weight::Refuses, text));
    };
    for required in [
        CheckName::Static,
        CheckName::Builds,
        CheckName::Heals,
        CheckName::Silencing,
    ] {
        if trial.check(required).is_none() {
            let name = required.as_str();
            refuse(
                &format!("{name}.not_run"),
                &format!("the check `{name}` was not run, and no measurement is no success"),
            );
        }
    }
    match candidate.safety {
        Safety::Safe => {}
        Safety::Unsafe if trial.passed(CheckName::Tests) || trial.passed(CheckName::Replay) => {}
        Safety::Unsafe => refuse(
            "unsafe.no_evidence",
            "it may change the meaning, and neither tests nor healthy requests show that it does not",
        ),
        Safety::ShowOnly => refuse(
            "show_only",
            "it is meant to be shown to people, never to be applied",
        ),
    }
    reasons
}

fn weigh_check(candidate: &Candidate, check: &Check) -> Reason {
    let name = check.name.as_str();
    let optional = matches!(check.name, CheckName::Tests | CheckName::Replay);
    let own = check.detail.get("code").and_then(|code| code.as_str());
    let code = |end: &str| own.map_or_else(|| format!("{name}.{end}"), str::to_string);
    let (code, weight) = match check.status {
        CheckStatus::Passed => (name.to_string(), Weight::For),
        CheckStatus::Failed => (code("failed"), Weight::Refuses),
        CheckStatus::Error => (code("error"), Weight::Refuses),
        CheckStatus::Inconclusive if optional => (code("inconclusive"), Weight::Against),
        CheckStatus::Inconclusive => (code("inconclusive"), Weight::Refuses),
    };
    reason(Some(candidate), code, weight, &check.summary)
}

fn praise(input: &JudgeInput<'_>, candidate: &Candidate) -> String {
    let trial = trial_of(input.trials, candidate);
    let passed = |name| trial.is_some_and(|trial| trial.passed(name));
    let tests = if passed(CheckName::Tests) {
        "the tests pass as before"
    } else {
        "there are no tests that could tell"
    };
    let replay = if passed(CheckName::Replay) {
        "healthy requests are answered as before"
    } else {
        "no healthy request was there to compare with"
    };
    format!("heals the failure and hides nothing; {tests}, and {replay}")
}

fn abstention(
    input: &JudgeInput<'_>,
    reasons: &[Reason],
    reproduced: bool,
    tried: usize,
) -> String {
    if !reproduced {
        let why = input
            .baseline
            .check(CheckName::Reproduces)
            .map_or("the unpatched program was not tried", |check| {
                check.summary.as_str()
            });
        return format!("no candidate can be proven: {why}");
    }
    if input.candidates.is_empty() {
        return "no candidate: no rule has a remedy for this failure".to_string();
    }
    let mut told: Vec<String> = Vec::new();
    for candidate in input.candidates {
        let first = reasons.iter().find(|reason| {
            reason.candidate.as_ref() == Some(&candidate.id) && reason.weight == Weight::Refuses
        });
        if let Some(first) = first {
            told.push(format!("\"{}\": {}", candidate.title, first.text));
        }
    }
    let more = told.len().saturating_sub(3);
    told.truncate(3);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    format!("no candidate survived: {tried} tried; {}", told.join("; "))
}

fn reason(
    candidate: Option<&Candidate>,
    code: impl Into<String>,
    weight: Weight,
    text: &str,
) -> Reason {
    Reason {
        candidate: candidate.map(|candidate| candidate.id.clone()),
        code: code.into(),
        weight,
        text: text.to_string(),
    }
}
