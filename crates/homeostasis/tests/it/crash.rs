//! Homeostasis may be killed at any instant: the program goes on, and the heal ends as if nothing had happened.

use crate::support::Kiosk;

const SICK: &str = r#"{"item": "tea"}"#;

/// Kills Homeostasis as soon as the heal's log holds an event, which is in the middle of the step that follows it.
fn killed_after(event: &str) {
    let mut kiosk = Kiosk::new();
    kiosk.start("auto");
    let clients = kiosk.clients(3);
    kiosk.order(SICK).unwrap();
    let id = kiosk.incident_id();
    kiosk.wait(&format!("the log holds {event}"), || {
        kiosk.has_event(&id, event).then_some(())
    });
    kiosk.kill_homeostasis();
    let program = kiosk.program();
    assert!(program.len() >= 3, "the program goes on");
    for _ in 0..20 {
        assert_eq!(
            kiosk
                .order(r#"{"item": "tea", "quantity": 2}"#)
                .unwrap()
                .status,
            201
        );
    }
    kiosk.start("auto");
    assert_eq!(
        kiosk.program(),
        program,
        "the same processes are watched again"
    );
    kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
    for _ in 0..8 {
        assert!((400..=422).contains(&kiosk.order(SICK).unwrap().status));
    }
    assert_eq!(kiosk.json(&["audit", "verify"])["whole"], true);
}

macro_rules! killed_after {
    ($($name:ident: $event:literal,)+) => {$(
        #[test]
        fn $name() { killed_after($event); }
    )+};
}

killed_after! {
    killed_while_diagnosing: "opened",
    killed_while_reproducing: "diagnosed",
    killed_while_proposing: "reproduced",
    killed_while_trying: "proposed",
    killed_while_judging: "tried",
    killed_while_planning: "judged",
    killed_while_starting_the_canary: "planned",
    killed_while_watching_the_canary: "canary_started",
    killed_while_promoting: "canary_passed",
    killed_while_watching_the_effect: "promoted",
}

#[test]
fn killed_while_taking_back() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("auto");
    let clients = kiosk.clients(2);
    kiosk.order(SICK).unwrap();
    kiosk.wait_for_outcome("healed");
    let id = kiosk.incident_id();
    assert!(kiosk.cli(&["rollback", &id]).status.success());
    kiosk.kill_homeostasis();
    kiosk.start("auto");
    kiosk.wait_for_outcome("rolled_back");
    clients.stop();
    assert_eq!(kiosk.source(), before);
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
}

#[test]
fn a_worker_killed_during_the_rollout_comes_back_on_one_whole_version() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("auto");
    let clients = kiosk.clients(3);
    kiosk.order(SICK).unwrap();
    let id = kiosk.incident_id();
    for event in ["canary_started", "canary_passed", "promoted"] {
        kiosk.wait(&format!("the log holds {event}"), || {
            kiosk.has_event(&id, event).then_some(())
        });
        for worker in kiosk.program().iter().skip(1) {
            std::process::Command::new("kill")
                .args(["-9", &worker.to_string()])
                .status()
                .unwrap();
        }
        let answer = kiosk.wait("a new worker answers", || kiosk.order(SICK));
        assert!(
            answer.status == 500 || (400..=422).contains(&answer.status),
            "{answer:?}"
        );
    }
    kiosk.wait("the heal has ended", || {
        kiosk.incident().filter(|found| found["phase"] == "closed")
    });
    clients.stop();
    let outcome = kiosk.incident().unwrap()["outcome"]["outcome"].clone();
    let sick = kiosk.order(SICK).unwrap().status == 500;
    if outcome == "healed" {
        assert!(!sick && kiosk.source() != before);
    } else {
        assert!(sick && kiosk.source() == before, "{outcome}");
    }
}

#[test]
fn without_homeostasis_no_request_fails() {
    let mut kiosk = Kiosk::new();
    kiosk.start("observe");
    let clients = kiosk.clients(4);
    kiosk.kill_homeostasis();
    for _ in 0..100 {
        assert_eq!(
            kiosk
                .order(r#"{"item": "tea", "quantity": 2}"#)
                .unwrap()
                .status,
            201
        );
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    }
    let (_, harmed) = clients.stop();
    assert_eq!(harmed, 0);
}
