//! The loop guard: one failure is not healed again and again, in any mode. Pure.

use homeostasis_domain::Outcome;

/// After so many heals of one incident within a day, a person has to look at it.
pub const HEALS_PER_DAY: u32 = 3;

/// How many of these heals reached the running program.
pub fn heals_counted(outcomes: &[Option<Outcome>]) -> u32 {
    let touched = |outcome: &&Option<Outcome>| {
        matches!(
            outcome,
            Some(Outcome::Healed { .. } | Outcome::RolledBack { .. })
        )
    };
    outcomes.iter().filter(touched).count() as u32
}

/// Why the heal that is about to begin must be escalated instead, given the outcomes of the incident's heals of the
/// last 24 hours (`None` for one that has not ended); `None` when it may begin.
pub fn guard(outcomes: &[Option<Outcome>]) -> Option<String> {
    let count = heals_counted(outcomes);
    (count >= HEALS_PER_DAY).then(|| {
        format!(
            "the same failure was healed or taken back {count} times within 24 hours and is here again; \
             the remedies do not reach its cause, a person has to look at it"
        )
    })
}
