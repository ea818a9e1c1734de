//! Proposes candidates for a diagnosis, and says of every rule that came close why it proposes nothing.

use crate::diff;
use crate::rank::{self, Merits};
use crate::strategies::rules::conditions;
use crate::strategies::rules::context::{Captured, Context};
use crate::strategies::rules::{apply, text};
use homeostasis_domain::diagnosis::Cause;
use homeostasis_domain::references;
use homeostasis_domain::{
    Candidate, CandidateOrigin, Capsule, Diagnosis, FileEdit, Hypothesis, Safety,
};
use homeostasis_rulepack::load::FAILING;
use homeostasis_rulepack::{Fix, Pack, Rule};
use homeostasis_syntax::Source;
use std::collections::BTreeMap;

/// Everything a proposal is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What is wrong.
    pub diagnosis: &'a Diagnosis,
    /// How it failed.
    pub capsule: &'a Capsule,
    /// The program's files as the failing process has them, by absolute path: at least the failing one; the more,
    /// the better the evidence.
    pub sources: &'a BTreeMap<String, String>,
    /// The rules in force.
    pub pack: &'a Pack,
}

/// What is proposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// The best first, every edit once.
    pub candidates: Vec<Candidate>,
    /// Why rules that matched propose nothing, in sentences.
    pub declined: Vec<String>,
}

/// Files beyond this many bytes in total are left out of the evidence, the failing ones never.
const EVIDENCE_BYTES: usize = 4 * 1024 * 1024;

/// Proposes candidates. Pure: the same input gives the same proposal.
pub fn propose(input: &Input<'_>) -> Proposal {
    let capsule = references::resolved(input.capsule);
    let input = &Input {
        capsule: &capsule,
        ..*input
    };
    let mut proposal = Proposal::default();
    let sources = parse(input);
    let mut found: Vec<(Candidate, usize)> = Vec::new();
    // A likelier explanation outside the code makes every edit doubtful.
    let mut doubtful = false;
    for (rank, hypothesis) in input.diagnosis.hypotheses.iter().enumerate() {
        match in_reach(hypothesis) {
            Ok(()) => from_hypothesis(
                input,
                hypothesis,
                rank,
                &sources,
                doubtful,
                &mut found,
                &mut proposal.declined,
            ),
            Err(reason) => {
                doubtful = true;
                proposal.declined.push(reason);
            }
        }
    }
    found.sort_by(|(a, changed_a), (b, changed_b)| {
        b.score
            .total_cmp(&a.score)
            .then(changed_a.cmp(changed_b))
            .then_with(|| a.id.cmp(&b.id))
    });
    for (candidate, _) in found {
        match proposal
            .candidates
            .iter_mut()
            .find(|earlier| earlier.id == candidate.id)
        {
            // The same edit, which another hypothesis knows more about: not being sure is no evidence against it.
            Some(earlier)
                if earlier.safety == Safety::Unsafe && candidate.safety == Safety::Safe =>
            {
                let score = earlier.score;
                *earlier = candidate;
                earlier.score = score;
            }
            Some(_) => {}
            None => proposal.candidates.push(candidate),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    proposal
        .declined
        .retain(|reason| seen.insert(reason.clone()));
    proposal
}

/// Rules change code; where code is not at fault, or the program itself refused, they have nothing to say.
fn in_reach(hypothesis: &Hypothesis) -> Result<(), String> {
    match hypothesis.cause {
        Cause::Code => Ok(()),
        // A program that reads a setting without the default it has elsewhere is a fault of code as well.
        Cause::Configuration if hypothesis.class.is_within("config.missing") => Ok(()),
        Cause::Dependency
        | Cause::Data
        | Cause::Capacity
        | Cause::Configuration
        | Cause::Infrastructure => Err(format!(
            "no edit is proposed for `{}`: the cause lies outside the code ({:?})",
            hypothesis.class, hypothesis.cause
        )),
        Cause::BusinessRule => Err(format!(
            "no edit is proposed for `{}`: the program itself says that a rule of its business was broken",
            hypothesis.class
        )),
    }
}

fn parse(input: &Input<'_>) -> BTreeMap<String, Source> {
    let failing = |path: &String| {
        input
            .diagnosis
            .hypotheses
            .iter()
            .filter_map(|hypothesis| hypothesis.location.as_ref())
            .any(|location| location.file == *path)
    };
    let mut bytes = 0;
    input
        .sources
        .iter()
        .filter(|(path, _)| path.ends_with(".py") || failing(path))
        .filter(|(path, text)| {
            bytes += text.len();
            bytes <= EVIDENCE_BYTES || failing(path)
        })
        .filter_map(|(path, text)| Some((path.clone(), Source::python(text).ok()?)))
        .collect()
}

fn from_hypothesis(
    input: &Input<'_>,
    hypothesis: &Hypothesis,
    rank: usize,
    sources: &BTreeMap<String, Source>,
    doubtful: bool,
    found: &mut Vec<(Candidate, usize)>,
    declined: &mut Vec<String>,
) {
    let Some(location) = &hypothesis.location else {
        declined.push("the failing expression lies outside the program".to_string());
        return;
    };
    let Some((path, source)) = sources.get_key_value(&location.file) else {
        declined.push(format!("the source of {} is not known", location.file));
        return;
    };
    let range = location.start_byte..location.end_byte;
    let Some(failing) = source.exactly(range.clone()) else {
        declined.push(format!("no expression stands at bytes {range:?} of {path}"));
        return;
    };
    if !location.text.is_empty() && failing.text() != location.text.as_str() {
        declined.push(format!("{path} is not the text that was diagnosed"));
        return;
    }
    for rule in input.pack.rules() {
        let applies = rule.languages.iter().any(|language| language == "python")
            && error_matches(rule, hypothesis)
            && (rule.frameworks.is_empty()
                || rule
                    .frameworks
                    .iter()
                    .any(|name| input.capsule.has_framework(name)));
        if !applies {
            continue;
        }
        // The first pattern under which all conditions hold is the one that speaks.
        let matched = rule.matchers.iter().find_map(|matcher| {
            let captures = matcher.at(&failing)?;
            let mut context = Context {
                source,
                path,
                sources,
                failing: failing.clone(),
                hypothesis,
                capsule: input.capsule,
                pack: input.pack,
                captured: captures
                    .into_iter()
                    .filter_map(|(name, nodes)| match <[_; 1]>::try_from(nodes) {
                        Ok([node]) => Some((name, Captured::Node(node))),
                        Err(several) => {
                            let (first, last) = (several.first()?, several.last()?);
                            let text = &source.text()[first.range().start..last.range().end];
                            Some((name, Captured::Text(text.to_string())))
                        }
                    })
                    .collect(),
            };
            context
                .captured
                .insert(FAILING.to_string(), Captured::Node(failing.clone()));
            conditions::all_hold(&mut context, &rule.conditions).then_some(context)
        });
        let Some(context) = matched else { continue };
        for fix in &rule.fixes {
            let mut context = context.clone();
            if !conditions::all_hold(&mut context, &fix.conditions) {
                continue;
            }
            match candidate(&context, rule, fix, rank) {
                Ok((mut made, changed)) => {
                    if doubtful {
                        made.safety = made.safety.min(Safety::Unsafe);
                        made.rationale
                            .push_str(" A likelier explanation lies outside the code.");
                    }
                    found.push((made, changed));
                }
                Err(reason) => declined.push(format!("{} ({}): {reason}", rule.id, fix.id)),
            }
        }
    }
}

fn error_matches(rule: &Rule, hypothesis: &Hypothesis) -> bool {
    let error = &hypothesis.error;
    let last = error.rsplit('.').next().unwrap_or(error);
    rule.errors.iter().any(|wanted| {
        wanted == error
            || (!error.contains('.') && wanted.rsplit('.').next() == Some(last))
            || (error.strip_prefix("builtins.") == Some(wanted))
    })
}

fn candidate(
    context: &Context<'_>,
    rule: &Rule,
    fix: &Fix,
    rank: usize,
) -> Result<(Candidate, usize), String> {
    let new_text = apply::edited(context, fix)?;
    let title = text::for_people(context, &fix.title)?;
    let rationale = text::for_people(context, &fix.rationale)?;
    let edits = vec![FileEdit::new(context.path, context.source.text(), new_text)];
    let diff = diff::unified(&edits, &context.capsule.process.cwd);
    let changed = diff
        .lines()
        .filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .map(str::len)
        .sum();
    let score = rank::score(&Merits {
        hypothesis: rank,
        rule,
        fix,
    });
    let made = Candidate {
        id: Candidate::id_of(&edits),
        origin: CandidateOrigin::Rule {
            rule: rule.id.clone(),
            fix: fix.id.clone(),
        },
        safety: fix.safety,
        title,
        rationale,
        answer: fix.answer,
        edits,
        diff,
        score,
    };
    Ok((made, changed))
}
