//! What the canary's counts say: go on, stop, or keep looking. Pure.
//!
//! The baseline of a healer is the broken build: the canary has to be better on the failing class, and must not bring
//! failures of its own. One failure of the incident's own kind on the new code, or one new kind of failure that passes
//! through the edited functions, ends it at once.

use homeostasis_domain::rollout::Measurement;

/// When a canary has seen enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The chance that the quiet is mere luck must be at most this.
    pub luck: f64,
    /// With at least one request and no harm, this long is enough.
    pub seconds_with_traffic: f64,
    /// Without any request on the route, this long is enough: the proof of the trials stands, and the effect is
    /// watched after promotion with the same right to take it back.
    pub seconds_without_traffic: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            luck: 0.05,
            seconds_with_traffic: 30.0,
            seconds_without_traffic: 120.0,
        }
    }
}

/// What to do with the canary.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing can be said yet.
    KeepWatching,
    /// It did well.
    Promote,
    /// It did harm; why.
    TakeBack(String),
}

/// Decides from what was counted since the canary started.
pub fn decide(measured: &Measurement, limits: &Limits) -> Decision {
    if let Some(harm) = harm(measured) {
        return Decision::TakeBack(harm);
    }
    let quiet_by_luck = measured.chance_by_luck;
    let enough_requests = measured.requests > 0 && quiet_by_luck <= limits.luck;
    let enough_time = if measured.requests > 0 {
        limits.seconds_with_traffic
    } else {
        limits.seconds_without_traffic
    };
    if enough_requests || measured.seconds >= enough_time {
        Decision::Promote
    } else {
        Decision::KeepWatching
    }
}

/// Harm that ends a canary or a watch at once.
pub fn harm(measured: &Measurement) -> Option<String> {
    if measured.recurrences > 0 {
        return Some(format!(
            "the failure happened again {} times on the new code",
            measured.recurrences
        ));
    }
    if let Some(new) = measured.new_failures.first() {
        return Some(format!(
            "a new failure passes through the edited code: {new}"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn measured(requests: u64, seconds: f64, chance: f64) -> Measurement {
        Measurement {
            requests,
            seconds,
            chance_by_luck: chance,
            ..Measurement::default()
        }
    }

    #[test]
    fn quiet_that_cannot_be_luck_promotes() {
        assert_eq!(
            decide(&measured(20, 1.0, 0.001), &Limits::default()),
            Decision::Promote
        );
    }

    #[test]
    fn nothing_seen_is_not_a_success() {
        assert_eq!(
            decide(&measured(0, 5.0, 1.0), &Limits::default()),
            Decision::KeepWatching
        );
    }

    proptest! {
        #[test]
        fn any_recurrence_takes_it_back(requests in 0_u64..1000, seconds in 0.0..1e4, again in 1_u64..9) {
            let mut harmful = measured(requests, seconds, 0.0);
            harmful.recurrences = again;
            prop_assert!(matches!(decide(&harmful, &Limits::default()), Decision::TakeBack(_)));
        }
    }
}
