//! The loop guard: what counts, and from when on it says no.

use homeostasis_domain::Outcome;
use homeostasis_policy::guard;

fn healed() -> Option<Outcome> {
    Some(Outcome::Healed {
        evidence: String::new(),
    })
}

fn rolled_back() -> Option<Outcome> {
    Some(Outcome::RolledBack {
        reason: String::new(),
    })
}

fn refused() -> Option<Outcome> {
    Some(Outcome::Refused {
        reason: String::new(),
    })
}

#[test]
fn the_third_heal_that_reached_the_program_is_the_last_of_a_day() {
    assert_eq!(guard(&[]), None);
    assert_eq!(guard(&[healed(), rolled_back()]), None);
    let reason = guard(&[healed(), rolled_back(), healed(), None]).unwrap();
    assert!(reason.contains("3 times within 24 hours"), "{reason}");
}

#[test]
fn heals_that_never_touched_the_program_do_not_count() {
    assert_eq!(
        guard(&[refused(), refused(), None, refused(), healed(), healed()]),
        None
    );
}
