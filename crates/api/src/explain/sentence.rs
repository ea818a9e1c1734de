//! One entry of a heal's log as a sentence, with what supports it below. Pure, and total over all entries.

use crate::explain::numbers::{chance, count, duration, list, percent};
use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::heal::{HealEvent, MAX_ATTEMPTS, Phase, State};
use homeostasis_domain::rollout::{Measurement, RolloutPlan};
use homeostasis_domain::verdict::Weight;
use homeostasis_domain::{
    Candidate, CandidateId, CandidateOrigin, Check, CheckName, CheckStatus, Decision, Diagnosis,
    Hypothesis, Location, Operand, Outcome, Safety, Trial, Verdict,
};
use serde::Serialize;

/// One entry for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What happened, in one or two sentences.
    pub sentence: String,
    /// What supports it, a line each.
    pub details: Vec<String>,
}

/// Tells an event that led from one state to the next.
pub fn tell(before: &State, event: &HealEvent, after: &State) -> Told {
    match event {
        HealEvent::Opened { source, .. } => only(format!(
            "The heal began, with the capsule of event {source}."
        )),
        HealEvent::Diagnosed { diagnosis } => diagnosed(diagnosis),
        HealEvent::Reproduced { trial } => reproduced(trial),
        HealEvent::Proposed {
            candidates,
            declined,
        } => proposed(candidates, declined),
        HealEvent::Tried { trial } => tried(before, trial),
        HealEvent::Judged {
            verdict,
            decision,
            policy,
        } => judged(before, verdict, *decision, policy),
        HealEvent::Approved { by } => only(format!("{by} approved it.")),
        HealEvent::Rejected { by, reason } => only(format!("{by} rejected it: {reason}.")),
        HealEvent::Stale { reason } => {
            only(format!("It begins again with what is there now: {reason}."))
        }
        HealEvent::Planned { plan } => planned(plan),
        HealEvent::CanaryStarted { processes } => only(match processes.as_slice() {
            [] => "No process was there to be the canary.".to_string(),
            some => format!(
                "The new code runs in {}, verified by content hash; the others still run the old one.",
                pids(some)
            ),
        }),
        HealEvent::CanaryLost { reason } => only(canary_lost(reason, after)),
        HealEvent::CanaryPassed { measurement } => Told {
            sentence: format!("The canary did well: {}.", measured(measurement)),
            details: measurement_details(measurement),
        },
        HealEvent::Promoted { processes } => only(format!(
            "The files and all processes have the new code, verified by content hash ({}).",
            pids(processes)
        )),
        HealEvent::EffectShown { measurement } => Told {
            sentence: format!(
                "Live traffic shows that the failure is gone: {}.",
                measured(measurement)
            ),
            details: measurement_details(measurement),
        },
        HealEvent::RollbackAsked { by, reason } => {
            only(format!("{by} asked to take it back: {reason}."))
        }
        HealEvent::RolledBack { processes } => only(format!(
            "The files and all processes have the old code again, verified by content hash ({}).",
            pids(processes)
        )),
        HealEvent::StepFailed { step, error } => step_failed(before, after, step, error),
        HealEvent::Closed { outcome } => only(closed(outcome)),
    }
}

fn only(sentence: String) -> Told {
    Told {
        sentence: ended(sentence),
        details: Vec::new(),
    }
}

fn diagnosed(diagnosis: &Diagnosis) -> Told {
    let Some((best, others)) = diagnosis.hypotheses.split_first() else {
        return Told {
            sentence: "No engine could say what the cause is.".to_string(),
            details: diagnosis.report.clone(),
        };
    };
    let remedy = match best.cause {
        Cause::Code => "",
        Cause::Dependency => {
            " It is not a fault of the code: another system did not answer as it should."
        }
        Cause::Data => " It is not a fault of the code: stored data is wrong.",
        Cause::Capacity => " It is not a fault of the code: a resource ran out.",
        Cause::Configuration => " It is not a fault of the code: a setting is missing or wrong.",
        Cause::Infrastructure => " It is not a fault of the code: the platform below it failed.",
        Cause::BusinessRule => {
            " The program itself says that a rule of its business was broken, which no local edit can put right."
        }
    };
    let mut details = Vec::new();
    details.extend(best.location.as_ref().map(place));
    details.extend(best.operands.iter().map(operand));
    details.extend(best.evidence.iter().map(|line| format!("evidence: {line}")));
    details.extend(others.iter().map(also));
    details.extend(diagnosis.report.iter().cloned());
    Told {
        sentence: format!(
            "{} Class {}, confidence {:.2}.{remedy}",
            capital(&ended(best.summary.clone())),
            best.class,
            best.confidence
        ),
        details,
    }
}

fn place(location: &Location) -> String {
    format!(
        "at `{}` in {}, {}:{}",
        one_line(&location.text),
        location.function,
        location.file,
        location.line
    )
}

fn operand(operand: &Operand) -> String {
    let value = match &operand.value {
        Some(value) => format!(" was {}", value.display(80)),
        None => " could not be seen".to_string(),
    };
    format!(
        "{} `{}`{value} (from {})",
        operand.role,
        one_line(&operand.text),
        operand.origin.name()
    )
}

fn also(hypothesis: &Hypothesis) -> String {
    format!(
        "less likely ({:.2}): {}",
        hypothesis.confidence, hypothesis.summary
    )
}

fn reproduced(trial: &Trial) -> Told {
    let sentence = match trial.check(CheckName::Reproduces).map(|check| check.status) {
        Some(CheckStatus::Passed) => {
            "The unpatched program failed again in the sandbox, with the same fingerprint."
        }
        Some(CheckStatus::Failed) => "The unpatched program did not fail again in the sandbox.",
        Some(CheckStatus::Error | CheckStatus::Inconclusive) | None => {
            "Whether the unpatched program fails again could not be measured."
        }
    };
    Told {
        sentence: sentence.to_string(),
        details: trial.checks.iter().map(check).collect(),
    }
}

fn proposed(candidates: &[Candidate], declined: &[String]) -> Told {
    let sentence = match candidates.len() {
        0 => "No remedy was worth proposing.".to_string(),
        1 => "1 candidate was made.".to_string(),
        many => format!("{many} candidates were made, the most promising first."),
    };
    let mut details: Vec<String> = (1..)
        .zip(candidates)
        .map(|(rank, candidate)| {
            format!(
                "{rank}. {} ({}, {}): {}",
                candidate.title,
                origin(&candidate.origin),
                safety(candidate.safety),
                candidate.rationale
            )
        })
        .collect();
    details.extend(
        declined
            .iter()
            .map(|reason| format!("not proposed: {reason}")),
    );
    Told { sentence, details }
}

fn tried(before: &State, trial: &Trial) -> Told {
    let title = match &trial.candidate {
        Some(id) => candidate_title(before, id),
        None => "The unpatched program".to_string(),
    };
    let with = |statuses: &[CheckStatus]| -> Vec<String> {
        let names = trial
            .checks
            .iter()
            .filter(|check| statuses.contains(&check.status));
        names.map(|check| check.name.as_str().to_string()).collect()
    };
    let bad = with(&[CheckStatus::Failed]);
    let broke = with(&[CheckStatus::Error]);
    let unclear = with(&[CheckStatus::Inconclusive]);
    let result = match (bad.as_slice(), broke.as_slice(), unclear.as_slice()) {
        _ if trial.checks.is_empty() => "could not be checked at all".to_string(),
        ([], [], []) if trial.is_clean() => "passed every check".to_string(),
        ([], [], unclear) if trial.is_clean() => {
            format!("passed every check; {} could not tell", list(unclear))
        }
        ([], [], []) => "was not shown to heal".to_string(),
        ([], [], unclear) => format!("could not be judged, for {} could not tell", list(unclear)),
        ([], broke, _) => format!("could not be judged, for {} broke", list(broke)),
        (bad, ..) => format!("did not pass {}", list(bad)),
    };
    Told {
        sentence: format!("“{title}” {result}, in {}.", duration(trial.milliseconds)),
        details: trial.checks.iter().map(check).collect(),
    }
}

fn check(check: &Check) -> String {
    let summary = if check.summary.is_empty() {
        String::new()
    } else {
        format!(": {}", check.summary)
    };
    format!(
        "{} {} ({}){summary}",
        check.name.as_str(),
        check.status.as_str(),
        duration(check.milliseconds)
    )
}

fn judged(before: &State, verdict: &Verdict, decision: Decision, policy: &str) -> Told {
    let says = match (&verdict.chosen, decision) {
        (None, _) => String::new(),
        (Some(_), Decision::Go) => format!(" Policy lets it go: {}", ended(policy.to_string())),
        (Some(_), Decision::Ask) => {
            format!(" Policy asks for a person: {}", ended(policy.to_string()))
        }
        (Some(_), Decision::Forbid) => format!(" Policy forbids it: {}", ended(policy.to_string())),
    };
    let details = verdict.reasons.iter().map(|reason| {
        let weight = match reason.weight {
            Weight::For => "for",
            Weight::Against => "against",
            Weight::Refuses => "refuses",
        };
        let about = match &reason.candidate {
            Some(id) => format!("“{}”", candidate_title(before, id)),
            None => "all".to_string(),
        };
        format!("{weight} {about}: {} [{}]", reason.text, reason.code)
    });
    Told {
        sentence: format!("{}{says}", capital(&ended(verdict.summary.clone()))),
        details: details.collect(),
    }
}

fn planned(plan: &RolloutPlan) -> Told {
    let first = match plan.canary {
        Some(pid) => format!("process {pid} first, then all {}", plan.processes.len()),
        None => count(plan.processes.len() as u64, "process").replace("processs", "processes"),
    };
    Told {
        sentence: format!(
            "The rollout was planned: {} by {}, {first}. Nothing has been touched yet.",
            count(plan.files.len() as u64, "file"),
            plan.driver
        ),
        details: plan
            .files
            .iter()
            .map(|file| {
                format!(
                    "{}: {} becomes {}",
                    file.path,
                    short(&file.old_sha256),
                    short(&file.new_sha256)
                )
            })
            .collect(),
    }
}

fn measured(measurement: &Measurement) -> String {
    let recurred = match measurement.recurrences {
        0 => "the failure did not recur".to_string(),
        1 => "the failure recurred once".to_string(),
        many => format!("the failure recurred {many} times"),
    };
    format!(
        "{} on the route in {}, {recurred}",
        count(measurement.requests, "request"),
        duration(measurement.seconds * 1_000.0)
    )
}

fn measurement_details(measurement: &Measurement) -> Vec<String> {
    let mut details = vec![format!(
        "before, {} of the route's requests failed; the chance of so few recurrences by luck is {}",
        percent(measurement.failure_rate_before),
        chance(measurement.chance_by_luck)
    )];
    if measurement.failed > 0 {
        details.push(format!(
            "{} ended in another unhandled exception",
            count(measurement.failed, "request")
        ));
    }
    let new = &measurement.new_failures;
    details.extend(
        new.iter()
            .map(|fingerprint| format!("new failure: {fingerprint}")),
    );
    details
}

fn canary_lost(reason: &str, after: &State) -> String {
    let then = if matches!(after.phase, Phase::RollingBack { .. }) {
        "it is taken back"
    } else {
        "another process is going to be the canary"
    };
    format!("The canary went away and nothing runs the new code any more; {then}: {reason}")
}

fn step_failed(before: &State, after: &State, step: &str, error: &str) -> Told {
    let attempt = before.attempts + 1;
    let step = step.replace('_', " ");
    let then = if attempt < MAX_ATTEMPTS {
        "it is tried again"
    } else if matches!(after.phase, Phase::RollingBack { .. }) {
        "so it is taken back"
    } else {
        "so the heal is given up"
    };
    only(format!(
        "The step “{step}” failed (attempt {attempt} of {MAX_ATTEMPTS}), {then}: {error}"
    ))
}

fn closed(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Healed { evidence } => format!("Healed: {evidence}"),
        Outcome::RolledBack { reason } => format!("Rolled back: {reason}"),
        Outcome::Refused { reason } => format!("Refused: {reason}"),
        Outcome::Abstained { reason } => format!("Abstained: {reason}"),
        Outcome::Escalated { reason } => format!("A person has to look at it: {reason}"),
        Outcome::Lost { reason } => format!("Lost: {reason}"),
    }
}

fn candidate_title(state: &State, id: &CandidateId) -> String {
    let found = state
        .candidates
        .iter()
        .find(|candidate| candidate.id == *id);
    found.map_or_else(|| id.to_string(), |candidate| candidate.title.clone())
}

fn origin(origin: &CandidateOrigin) -> String {
    match origin {
        CandidateOrigin::Rule { rule, fix } => format!("rule {rule}, fix {fix}"),
        CandidateOrigin::Person { name } => format!("by {name}"),
    }
}

fn safety(safety: Safety) -> &'static str {
    match safety {
        Safety::Safe => "safe",
        Safety::Unsafe => "unsafe without evidence",
        Safety::ShowOnly => "only to be shown",
    }
}

fn pids(processes: &[u32]) -> String {
    match processes {
        [] => "no process was running".to_string(),
        [one] => format!("process {one}"),
        some => format!(
            "processes {}",
            list(&some.iter().map(u32::to_string).collect::<Vec<_>>())
        ),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The sentence with a capital letter at its beginning.
fn capital(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// The sentence with its full stop, once.
fn ended(sentence: String) -> String {
    let sentence = sentence.trim_end();
    match sentence.trim_end_matches('.').chars().last() {
        None => String::new(),
        Some('!' | '?' | '…') => sentence.to_string(),
        Some(_) => format!("{}.", sentence.trim_end_matches('.')),
    }
}
