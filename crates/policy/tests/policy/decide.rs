//! Policy's answer, one condition at a time and over all combinations.

use homeostasis_domain::{
    Answer, Candidate, CandidateOrigin, Decision, FaultCode, FileEdit, Safety, Verdict,
};
use homeostasis_policy::{Mode, PolicyConfig, PolicyInput, decide};
use proptest::prelude::*;
use std::path::Path;

fn candidate(safety: Safety, path: &str) -> Candidate {
    let edits = vec![FileEdit::new(path, "old", "new")];
    Candidate {
        id: Candidate::id_of(&edits),
        origin: CandidateOrigin::Rule {
            rule: "r".to_string(),
            fix: "f".to_string(),
        },
        safety,
        title: String::new(),
        rationale: String::new(),
        answer: Answer::Success,
        edits,
        diff: String::new(),
        score: 0.0,
    }
}

#[derive(Clone, Debug)]
struct Case {
    policy: &'static str,
    class: &'static str,
    safety: Safety,
    path: &'static str,
    chosen: bool,
    evidence_complete: bool,
    heals_last_day: u32,
    stopped: bool,
}

const GOOD: Case = Case {
    policy: "mode = \"auto\"",
    class: "data.missing_key",
    safety: Safety::Safe,
    path: "/srv/shop/shop/orders.py",
    chosen: true,
    evidence_complete: true,
    heals_last_day: 0,
    stopped: false,
};

fn answer(case: &Case) -> (Decision, String) {
    let candidate = candidate(case.safety, case.path);
    decide(&PolicyInput {
        config: &PolicyConfig::from_toml(case.policy).unwrap(),
        root: Path::new("/srv/shop"),
        class: &FaultCode::new(case.class),
        candidate: &candidate,
        verdict: &Verdict {
            chosen: case.chosen.then(|| candidate.id.clone()),
            reasons: Vec::new(),
            summary: String::new(),
        },
        evidence_complete: case.evidence_complete,
        heals_last_day: case.heals_last_day,
        stopped: case.stopped,
    })
}

fn check(case: Case, expected: Decision, word: &str) {
    let (decision, reason) = answer(&case);
    assert_eq!(decision, expected, "{case:?}: {reason}");
    assert!(reason.contains(word), "{reason}");
}

#[test]
fn a_safe_remedy_goes_by_itself_in_auto_only() {
    check(GOOD, Decision::Go, "keeps the meaning");
    check(Case { policy: "", ..GOOD }, Decision::Ask, "propose");
    check(
        Case {
            policy: "mode = \"observe\"",
            ..GOOD
        },
        Decision::Forbid,
        "only diagnoses",
    );
}

#[test]
fn an_unsafe_remedy_goes_by_itself_only_with_complete_evidence() {
    let unsure = Case {
        safety: Safety::Unsafe,
        ..GOOD
    };
    check(unsure.clone(), Decision::Go, "recorded healthy requests");
    check(
        Case {
            evidence_complete: false,
            ..unsure
        },
        Decision::Ask,
        "may change the meaning",
    );
}

#[test]
fn a_remedy_that_is_only_to_be_shown_is_never_rolled_out() {
    check(
        Case {
            safety: Safety::ShowOnly,
            ..GOOD
        },
        Decision::Forbid,
        "only to be shown",
    );
    check(
        Case {
            safety: Safety::ShowOnly,
            policy: "",
            ..GOOD
        },
        Decision::Forbid,
        "only to be shown",
    );
}

#[test]
fn a_candidate_that_the_verdict_did_not_choose_is_never_rolled_out() {
    check(
        Case {
            chosen: false,
            ..GOOD
        },
        Decision::Forbid,
        "did not choose",
    );
}

#[test]
fn the_lists_of_the_policy_hold() {
    let never = "mode = \"auto\"\nnever = [\"data\"]\nauto = [\"data\"]";
    check(
        Case {
            policy: never,
            ..GOOD
        },
        Decision::Forbid,
        "`never` lists \"data\"",
    );
    check(
        Case {
            policy: never,
            class: "null.dereference",
            ..GOOD
        },
        Decision::Ask,
        "`auto` does not list it",
    );
    check(
        Case {
            policy: "never = [\"data\"]",
            ..GOOD
        },
        Decision::Forbid,
        "never",
    );
    let protect = "mode = \"auto\"\nprotect_paths = [\"shop/orders.py\"]";
    check(
        Case {
            policy: protect,
            ..GOOD
        },
        Decision::Forbid,
        "protected",
    );
}

#[test]
fn tests_migrations_and_the_policy_itself_are_always_protected() {
    for path in [
        "/srv/shop/tests/test_orders.py",
        "/srv/shop/shop/tests/data.py",
        "/srv/shop/test_orders.py",
        "/srv/shop/conftest.py",
        "/srv/shop/shop/migrations/0001_initial.py",
        "/srv/shop/homeostasis.toml",
        "/srv/shop/.homeostasis/store.db",
    ] {
        check(Case { path, ..GOOD }, Decision::Forbid, "protected");
    }
    for path in [
        "/srv/shop/latest.py",
        "/srv/shop/shop/contest.py",
        "/srv/shop/shop/attestation.py",
    ] {
        check(Case { path, ..GOOD }, Decision::Go, "");
    }
}

#[test]
fn a_remedy_outside_the_program_waits_for_a_person() {
    for path in [
        "/srv/venv/lib/flask/app.py",
        "/srv/shop/../bank/orders.py",
        "/srv/shopping/orders.py",
    ] {
        check(
            Case { path, ..GOOD },
            Decision::Ask,
            "outside the program's folder",
        );
    }
}

#[test]
fn stopped_or_healed_too_often_it_waits_for_a_person() {
    check(
        Case {
            stopped: true,
            ..GOOD
        },
        Decision::Ask,
        "stopped",
    );
    check(
        Case {
            heals_last_day: 3,
            ..GOOD
        },
        Decision::Ask,
        "3 times",
    );
    check(
        Case {
            heals_last_day: 2,
            ..GOOD
        },
        Decision::Go,
        "",
    );
}

fn any_case() -> impl Strategy<Value = Case> {
    let policy = prop::sample::select(vec![
        "",
        "mode = \"observe\"",
        "mode = \"auto\"",
        "mode = \"auto\"\nnever = [\"data\"]",
        "mode = \"auto\"\nauto = []",
    ]);
    let safety = prop::sample::select(vec![Safety::Safe, Safety::Unsafe, Safety::ShowOnly]);
    let path = prop::sample::select(vec![
        "/srv/shop/shop/orders.py",
        "/srv/shop/tests/test_x.py",
        "/srv/bank/x.py",
    ]);
    let class = prop::sample::select(vec!["data.missing_key", "null.dereference"]);
    (policy, class, safety, path, any::<[bool; 3]>(), 0..5u32).prop_map(
        |(policy, class, safety, path, [chosen, evidence_complete, stopped], heals_last_day)| {
            Case {
                policy,
                class,
                safety,
                path,
                chosen,
                evidence_complete,
                heals_last_day,
                stopped,
            }
        },
    )
}

proptest! {
    #[test]
    fn nothing_goes_by_itself_without_auto_a_verdict_and_a_running_switch(case in any_case()) {
        let (decision, reason) = answer(&case);
        prop_assert!(!reason.is_empty());
        if decision == Decision::Go {
            prop_assert!(PolicyConfig::from_toml(case.policy).unwrap().mode == Mode::Auto);
            prop_assert!(case.chosen && !case.stopped && case.heals_last_day < 3);
            prop_assert!(case.path == "/srv/shop/shop/orders.py");
            prop_assert!(case.safety == Safety::Safe || case.safety == Safety::Unsafe && case.evidence_complete);
        }
        // Stopping never loosens an answer.
        let (stopped, _) = answer(&Case { stopped: true, ..case });
        prop_assert!(stopped != Decision::Go && (decision != Decision::Forbid || stopped == Decision::Forbid));
    }
}
