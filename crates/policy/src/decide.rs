//! Policy's answer to one verified candidate: go, ask or forbid, with the reason as a sentence. Pure.

use crate::config::{ALWAYS_PROTECTED, Mode, PathPattern, PolicyConfig};
use crate::guard::HEALS_PER_DAY;
use homeostasis_domain::{Candidate, Decision, FaultCode, Safety, Verdict};
use std::path::Path;

/// Everything the answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// The policy of the service.
    pub config: &'a PolicyConfig,
    /// Folder whose files belong to the program; paths of the policy are below it.
    pub root: &'a Path,
    /// Class of the fault.
    pub class: &'a FaultCode,
    /// The candidate in question.
    pub candidate: &'a Candidate,
    /// The judge's conclusion.
    pub verdict: &'a Verdict,
    /// Whether the program's own tests ran and passed, and recorded healthy requests were answered as before.
    pub evidence_complete: bool,
    /// Heals of this incident in the last day that reached the running program.
    pub heals_last_day: u32,
    /// Whether the switch that stops all healing is on.
    pub stopped: bool,
}

/// The answer and why. What is forbidden stays forbidden in every mode; what is stopped waits for a person.
pub fn decide(input: &PolicyInput<'_>) -> (Decision, String) {
    let PolicyInput {
        config,
        root,
        class,
        candidate,
        verdict,
        evidence_complete,
        heals_last_day,
        stopped,
    } = *input;

    if let Some(reason) = forbidden(config, root, class, candidate, verdict) {
        return (Decision::Forbid, reason);
    }
    if stopped {
        return ask("all healing is stopped, so nothing goes by itself".to_string());
    }
    if config.mode == Mode::Propose {
        return ask("the mode is propose, so a person agrees first".to_string());
    }
    if heals_last_day >= HEALS_PER_DAY {
        return ask(format!(
            "the same failure was healed {heals_last_day} times within a day"
        ));
    }
    if !config.auto.iter().any(|pattern| pattern.matches(class)) {
        return ask(format!(
            "the policy does not let {class} go by itself (`auto` does not list it)"
        ));
    }
    if let Some(path) = outside(root, candidate) {
        return ask(format!(
            "{path} lies outside the program's folder {}",
            root.display()
        ));
    }
    match candidate.safety {
        Safety::Safe => go("the remedy keeps the meaning of what worked, and every check agrees"),
        Safety::Unsafe if evidence_complete => {
            go("the remedy may change the meaning; the program's tests and its recorded healthy requests show that it does not")
        }
        Safety::Unsafe => ask(
            "the remedy may change the meaning, and without both passing tests and a recorded healthy request that \
             nobody but a person can rule that out"
                .to_string(),
        ),
        // Refused above; kept so that a new kind of safety has to be thought about here.
        Safety::ShowOnly => (Decision::Forbid, show_only()),
    }
}

/// Why no one may roll it out, if so.
fn forbidden(
    config: &PolicyConfig,
    root: &Path,
    class: &FaultCode,
    candidate: &Candidate,
    verdict: &Verdict,
) -> Option<String> {
    if config.mode == Mode::Observe {
        return Some("the mode is observe, which only diagnoses".to_string());
    }
    if verdict.chosen.as_ref() != Some(&candidate.id) {
        return Some("the verdict did not choose this candidate".to_string());
    }
    if candidate.safety == Safety::ShowOnly {
        return Some(show_only());
    }
    if let Some(pattern) = config.never.iter().find(|pattern| pattern.matches(class)) {
        return Some(format!(
            "the policy never lets {class} be healed (`never` lists \"{}\")",
            pattern.as_str()
        ));
    }
    candidate.edits.iter().find_map(|edit| {
        let path = Path::new(&edit.path);
        let below = path.strip_prefix(root).unwrap_or(path);
        let pattern = protecting(config, below)?;
        Some(format!(
            "{} is protected from remedies (\"{pattern}\")",
            below.display()
        ))
    })
}

/// The pattern that protects a path, if one does.
fn protecting(config: &PolicyConfig, path: &Path) -> Option<String> {
    let built_in = ALWAYS_PROTECTED
        .iter()
        .filter_map(|text| PathPattern::try_from(text.to_string()).ok());
    built_in
        .chain(config.protect_paths.iter().cloned())
        .find(|pattern| pattern.matches(path))
        .map(|pattern| pattern.as_str().to_string())
}

fn outside<'a>(root: &Path, candidate: &'a Candidate) -> Option<&'a str> {
    candidate
        .edits
        .iter()
        .map(|edit| edit.path.as_str())
        .find(|path| !Path::new(path).starts_with(root) || path.split('/').any(|part| part == ".."))
}

fn show_only() -> String {
    "its author says that the remedy is only to be shown".to_string()
}

fn ask(reason: String) -> (Decision, String) {
    (Decision::Ask, reason)
}

fn go(reason: &str) -> (Decision, String) {
    (Decision::Go, reason.to_string())
}
