//! Two remedies as one: where curing one expression lets the request come to the next of the same fault.

use crate::diff;
use homeostasis_domain::{Answer, Candidate, CandidateOrigin, FileEdit};
use std::collections::BTreeMap;

/// The candidate that makes both changes. `second` was made for the texts that `first` leaves behind; `sources` are
/// the texts before both. The pair is as safe as its less safe part, and answers what the second answers.
pub fn follow(
    first: &Candidate,
    second: &Candidate,
    sources: &BTreeMap<String, String>,
    root: &str,
) -> Candidate {
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for edit in first.edits.iter().chain(&second.edits) {
        texts.insert(&edit.path, &edit.new_text);
    }
    let edits: Vec<FileEdit> = texts
        .into_iter()
        .filter_map(|(path, new)| Some(FileEdit::new(path, sources.get(path)?, new)))
        .collect();
    Candidate {
        id: Candidate::id_of(&edits),
        origin: both(&first.origin, &second.origin),
        safety: first.safety.min(second.safety),
        title: format!("{}, and: {}", first.title, second.title),
        rationale: format!(
            "{} With that alone the request fails again a little later: {}",
            first.rationale, second.rationale
        ),
        answer: second.answer,
        diff: diff::unified(&edits, root),
        score: first.score.min(second.score),
        edits,
    }
}

/// Whether a further step may be looked for: an answer to the client is the last word on a request.
pub fn may_follow(candidate: &Candidate) -> bool {
    candidate.answer == Answer::Success
}

fn both(first: &CandidateOrigin, second: &CandidateOrigin) -> CandidateOrigin {
    match (first, second) {
        (
            CandidateOrigin::Rule { rule, fix },
            CandidateOrigin::Rule {
                rule: next,
                fix: next_fix,
            },
        ) => {
            let join = |a: &str, b: &str| {
                if a.split('+').any(|part| part == b) {
                    a.to_string()
                } else {
                    format!("{a}+{b}")
                }
            };
            CandidateOrigin::Rule {
                rule: join(rule, next),
                fix: join(fix, next_fix),
            }
        }
        _ => first.clone(),
    }
}
