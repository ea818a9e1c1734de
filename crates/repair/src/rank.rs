//! The one place that ranks candidates.
//!
//! In this order:
//! 1. the rank of the hypothesis: a remedy for the likelier cause is tried first;
//! 2. safety: what keeps the meaning of everything that worked comes before what may change it, whatever its score;
//! 3. specificity of the rule: how much it asks about origins, frameworks, values and code, because a rule that
//!    knows more about the case is more often right about it;
//! 4. the fix's own score;
//! 5. the smaller edit (compared after the score, see `propose`).

use homeostasis_domain::Safety;
use homeostasis_rulepack::rule::{Condition, Edit};
use homeostasis_rulepack::{Fix, Rule};

/// What speaks for a candidate.
pub(crate) struct Merits<'a> {
    /// 0 for the likeliest hypothesis.
    pub(crate) hypothesis: usize,
    /// The rule.
    pub(crate) rule: &'a Rule,
    /// Its fix.
    pub(crate) fix: &'a Fix,
}

/// Larger is tried first. The parts cannot outweigh each other: each is smaller than one step of the one before it.
pub(crate) fn score(merits: &Merits<'_>) -> f64 {
    let safety = match merits.fix.safety {
        Safety::Safe => 2.0,
        Safety::Unsafe => 1.0,
        Safety::ShowOnly => 0.0,
    };
    let specificity = specificity(merits.rule, merits.fix).min(99) as f64;
    let likelihood = 100 - merits.hypothesis.min(100);
    likelihood as f64 * 1000.0 + safety * 200.0 + specificity + merits.fix.score.min(0.999)
}

fn specificity(rule: &Rule, fix: &Fix) -> u32 {
    let framework = match &fix.edit {
        Edit::Guard(_) | Edit::Try(_) => 2,
        Edit::Replace(_)
        | Edit::ReplacePart(_)
        | Edit::ReplaceStatement(_)
        | Edit::Before(_)
        | Edit::FunctionStart(_)
        | Edit::BeforeBinding(_)
        | Edit::AddSelf(_)
        | Edit::ImportOnly(_) => 0,
    };
    let asked: u32 = rule
        .conditions
        .iter()
        .chain(&fix.conditions)
        .map(weight)
        .sum();
    asked + framework + u32::from(!rule.frameworks.is_empty())
}

fn weight(condition: &Condition) -> u32 {
    let mut weight = 0;
    weight += if condition.origin.is_some() { 4 } else { 0 };
    weight += if condition.fact.is_some() { 2 } else { 0 };
    let values = [
        condition.types.is_some(),
        condition.none.is_some(),
        condition.empty.is_some(),
        condition.zero.is_some(),
        condition.message.is_some(),
    ];
    weight += values.into_iter().filter(|asked| *asked).count() as u32;
    let any = condition.any.iter().flatten().map(self::weight).max();
    weight + any.unwrap_or(0)
}
