//! Propose: diagnose again from what the reproduction showed, and let the strategies make candidates.
//!
//! The reproduction ran on the very files the candidates are made for, so its positions and values fit them, also when
//! the capsule is from before another heal moved lines about.
//!
//! Where a candidate lets the request come further only to fail at the next expression of the same function, the next
//! failure is diagnosed too, and both changes make one candidate.

use super::{Failure, diagnose, prove};
use crate::gather;
use crate::handle::Inner;
use homeostasis_domain::capsule::{Exception, Frame};
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::{Candidate, Capsule, Diagnosis, HealId};
use homeostasis_repair::{Proposal, follow, may_follow};
use homeostasis_validate::Context;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A remedy of more steps than this is not a remedy of one fault.
const MOST_STEPS: usize = 3;

pub(crate) async fn perform(
    inner: &Arc<Inner>,
    heal: &HealId,
    state: &State,
) -> Result<HealEvent, Failure> {
    let event = super::source(inner, state).await?;
    let capsule = prove::reproduced_capsule(inner, heal, event.clone()).await?;
    let (mut context, snapshot) = prove::context(inner, heal, event).await?;
    prove::as_reproduced(inner, heal, &mut context).await;
    let diagnosis = diagnose::run(inner, snapshot.tree.clone(), capsule.clone()).await?;
    let (root, tree, of) = (
        inner.config.root.clone(),
        snapshot.tree.clone(),
        capsule.clone(),
    );
    let sources =
        Arc::new(tokio::task::spawn_blocking(move || gather::sources(&root, &tree, &of)).await?);
    let mut proposal = propose(inner, diagnosis, capsule.clone(), sources.clone()).await?;
    if let Some(first) = proposal
        .candidates
        .first()
        .filter(|first| may_follow(first))
        .cloned()
        && let Some(longer) = longer(inner, &context, &capsule, first, &sources).await?
    {
        proposal.candidates.insert(0, longer);
    }
    Ok(HealEvent::Proposed {
        candidates: proposal.candidates,
        declined: proposal.declined,
    })
}

/// The candidate with further steps, when the request needs them and each has a remedy.
async fn longer(
    inner: &Arc<Inner>,
    context: &Context,
    capsule: &Capsule,
    first: Candidate,
    sources: &Arc<BTreeMap<String, String>>,
) -> Result<Option<Candidate>, Failure> {
    let root = inner.config.root.to_string_lossy().into_owned();
    let mut candidate = first.clone();
    let mut before = capsule.clone();
    for _ in 1..MOST_STEPS {
        let Some(exceptions) = homeostasis_validate::glance(context, &candidate.edits).await else {
            break;
        };
        if !is_next(&before, &exceptions) {
            return Ok(None);
        }
        let now = Capsule {
            exceptions,
            ..capsule.clone()
        };
        let mut texts = BTreeMap::clone(sources);
        for edit in &candidate.edits {
            texts.insert(edit.path.clone(), edit.new_text.clone());
        }
        let texts = Arc::new(texts);
        let diagnosis = diagnose::on(inner, texts.clone(), now.clone()).await?;
        let proposal = propose(inner, diagnosis, now.clone(), texts).await?;
        let Some(second) = proposal.candidates.first() else {
            return Ok(None);
        };
        candidate = follow(&candidate, second, sources, &root);
        before = now;
        if !may_follow(second) {
            break;
        }
    }
    Ok((candidate.id != first.id).then_some(candidate))
}

/// The same kind of failure in the same function, at another expression.
fn is_next(before: &Capsule, after: &[Exception]) -> bool {
    let place = |frame: &Frame| (frame.file.clone(), frame.function.clone());
    let (Some(old), Some(new)) = (before.thrown(), after.first()) else {
        return false;
    };
    let (Some(old_frame), Some(new_frame)) = (old.failing_frame(), new.failing_frame()) else {
        return false;
    };
    let elsewhere = (&old_frame.text, old_frame.column) != (&new_frame.text, new_frame.column);
    old.type_name == new.type_name && place(old_frame) == place(new_frame) && elsewhere
}

async fn propose(
    inner: &Arc<Inner>,
    diagnosis: Diagnosis,
    capsule: Capsule,
    sources: Arc<BTreeMap<String, String>>,
) -> Result<Proposal, Failure> {
    let inner = inner.clone();
    let proposed = tokio::task::spawn_blocking(move || {
        homeostasis_repair::propose(&homeostasis_repair::Input {
            diagnosis: &diagnosis,
            capsule: &capsule,
            sources: &sources,
            pack: &inner.pack,
        })
    });
    Ok(proposed.await?)
}
