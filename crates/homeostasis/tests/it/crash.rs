//! Homeostasis may be killed at any instant, and workers too: the program goes on, and the heal ends as if nothing had
//! happened.

use crate::support::{GOOD, Kiosk, SICK, signal};
use homeostasis_domain::heal::HealEvent;

/// Kills Homeostasis each time the heal's log holds the next of the events, which is in the step that follows it.
fn killed_after_each_of(events: &[&str]) {
    let mut kiosk = Kiosk::new();
    kiosk.start("auto");
    let program = kiosk.program();
    assert!(program.len() == 3, "a master and two workers");
    let clients = kiosk.clients(2);
    kiosk.order(SICK).unwrap();
    let id = kiosk.incident_id();
    for event in events {
        kiosk.wait_for_event(&id, event);
        kiosk.kill_homeostasis();
        for _ in 0..20 {
            assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
        }
        kiosk.start("auto");
        assert_eq!(
            kiosk.program(),
            program,
            "the same processes are watched again"
        );
    }
    let promoted = kiosk.wait_for_event(&id, "promoted");
    let HealEvent::Promoted { processes } = promoted else {
        panic!("{promoted:?}")
    };
    assert_eq!(
        processes.len(),
        program.len(),
        "whoever was away for a moment was waited for: {processes:?}"
    );
    kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
    all_are_healthy(&kiosk);
    assert_audit_is_whole_and_complete(&kiosk, &id);
}

fn all_are_healthy(kiosk: &Kiosk) {
    for _ in 0..8 {
        assert!((400..=422).contains(&kiosk.order(SICK).unwrap().status));
    }
}

fn all_are_sick(kiosk: &Kiosk) {
    for _ in 0..8 {
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    }
}

/// Every event of the heal has its entry in the audit log, in the same order; one that a crash interrupted may have two.
fn assert_audit_is_whole_and_complete(kiosk: &Kiosk, id: &str) {
    assert_eq!(kiosk.json(&["audit", "verify"])["whole"], true);
    let listed = kiosk.json(&["audit"]);
    let mut audited: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["action"].as_str()?.strip_prefix("heal."))
        .map(str::to_string)
        .collect();
    audited.dedup();
    let mut happened: Vec<String> = kiosk
        .heal_log(id)
        .iter()
        .map(|entry| entry.event.name().to_string())
        .collect();
    happened.dedup();
    assert_eq!(audited, happened);
}

#[test]
fn killed_while_diagnosing_proposing_judging_starting_the_canary_and_promoting() {
    killed_after_each_of(&["opened", "reproduced", "tried", "planned", "canary_passed"]);
}

#[test]
fn killed_while_reproducing_trying_planning_and_watching_the_canary_and_the_effect() {
    killed_after_each_of(&[
        "diagnosed",
        "proposed",
        "judged",
        "canary_started",
        "promoted",
    ]);
}

/// A kiosk whose canary has passed while the other worker is stopped, so that promotion cannot come to its end.
fn in_the_middle_of_promotion() -> (Kiosk, String, i32) {
    let mut kiosk = Kiosk::new();
    kiosk.start("auto");
    kiosk.order(SICK).unwrap();
    let clients = kiosk.clients(2);
    let id = kiosk.incident_id();
    let started = kiosk.wait_for_event(&id, "canary_started");
    let HealEvent::CanaryStarted { processes } = started else {
        panic!("{started:?}")
    };
    let mut workers = kiosk.workers();
    workers.retain(|pid| !processes.contains(&pid.cast_unsigned()));
    signal("STOP", workers[0]);
    kiosk.wait_for_event(&id, "canary_passed");
    drop(clients);
    (kiosk, id, workers[0])
}

#[test]
fn killed_in_the_middle_of_promotion() {
    let (mut kiosk, id, stopped) = in_the_middle_of_promotion();
    kiosk.kill_homeostasis();
    assert!(
        !kiosk
            .heal_log(&id)
            .iter()
            .any(|entry| entry.event.name() == "promoted")
    );
    signal("CONT", stopped);
    kiosk.start("auto");
    let clients = kiosk.clients(2);
    kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
    all_are_healthy(&kiosk);
}

#[test]
fn a_worker_killed_in_the_middle_of_its_swap_comes_back_on_the_new_version() {
    let (kiosk, id, stopped) = in_the_middle_of_promotion();
    signal("KILL", stopped);
    kiosk.wait_for_event(&id, "promoted");
    let clients = kiosk.clients(2);
    kiosk.wait_for_outcome("healed");
    clients.stop();
    assert_eq!(kiosk.workers().len(), 2);
    assert!(!kiosk.workers().contains(&stopped));
    all_are_healthy(&kiosk);
}

#[test]
fn killed_in_the_middle_of_taking_back() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("auto");
    kiosk.order(SICK).unwrap();
    let clients = kiosk.clients(2);
    kiosk.wait_for_outcome("healed");
    clients.stop();
    let id = kiosk.incident_id();
    let stopped = kiosk.workers()[1];
    signal("STOP", stopped);
    assert!(kiosk.cli(&["rollback", &id]).status.success());
    kiosk.kill_homeostasis();
    signal("CONT", stopped);
    kiosk.start("auto");
    let taken_back = kiosk.wait_for_event(&id, "rolled_back");
    let HealEvent::RolledBack { processes } = taken_back else {
        panic!("{taken_back:?}")
    };
    assert_eq!(processes.len(), 3, "{processes:?}");
    all_are_sick(&kiosk);
    kiosk.wait_for_outcome("rolled_back");
    assert_eq!(kiosk.source(), before, "byte for byte");
    assert_audit_is_whole_and_complete(&kiosk, &id);
}

#[test]
fn workers_killed_at_every_stage_of_the_rollout_come_back_on_one_whole_version() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("auto");
    kiosk.order(SICK).unwrap();
    let clients = kiosk.clients(2);
    let id = kiosk.incident_id();
    for event in ["canary_started", "canary_passed", "promoted"] {
        kiosk.wait_for_event(&id, event);
        for worker in kiosk.workers() {
            signal("KILL", worker);
        }
        let answer = kiosk.wait("a new worker answers", || kiosk.order(SICK));
        assert!(
            answer.status == 500 || (400..=422).contains(&answer.status),
            "{answer:?}"
        );
    }
    kiosk.wait_for_outcome("healed");
    clients.stop();
    assert_ne!(kiosk.source(), before);
    all_are_healthy(&kiosk);
}

#[test]
fn without_homeostasis_no_request_fails() {
    let mut kiosk = Kiosk::new();
    kiosk.start("observe");
    let clients = kiosk.clients(4);
    kiosk.kill_homeostasis();
    for _ in 0..100 {
        assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    }
    let (_, harmed) = clients.stop();
    assert_eq!(harmed, 0);
}
