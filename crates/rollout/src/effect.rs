//! Whether live traffic shows that the symptom is gone. Pure.
//!
//! Closed by effect: an incident is healed only when its failure, at the rate it had, would almost surely have shown
//! itself again by now. Quiet without traffic says nothing, however long it lasts.

use crate::canary::harm;
use homeostasis_domain::rollout::Measurement;

/// The chance that the quiet is mere luck must be at most this.
pub const LUCK: f64 = 0.01;
/// At least this long, so that slow requests that began on the new code have come to their end.
pub const SECONDS: f64 = 3.0;

/// What the watch after promotion says.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing can be said yet.
    KeepWatching,
    /// The effect is shown.
    Shown,
    /// It did harm; why.
    TakeBack(String),
}

/// Decides from what was counted since promotion.
pub fn decide(measured: &Measurement) -> Decision {
    if let Some(harm) = harm(measured) {
        return Decision::TakeBack(harm);
    }
    let shown =
        measured.requests > 0 && measured.chance_by_luck <= LUCK && measured.seconds >= SECONDS;
    if shown {
        Decision::Shown
    } else {
        Decision::KeepWatching
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn without_requests_no_effect_is_ever_shown(seconds in 0.0..1e9, chance in 0.0..=1.0) {
            let quiet = Measurement { seconds, chance_by_luck: chance, ..Measurement::default() };
            prop_assert_eq!(decide(&quiet), Decision::KeepWatching);
        }

        #[test]
        fn harm_always_wins_over_a_good_count(requests in 1_u64..1000, again in 1_u64..9) {
            let bad = Measurement { requests, recurrences: again, seconds: 60.0, ..Measurement::default() };
            prop_assert!(matches!(decide(&bad), Decision::TakeBack(_)));
        }
    }
}
