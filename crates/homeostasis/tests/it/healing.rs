//! A program is healed while it runs, by itself or when a person agrees, and taken back.

use crate::support::{GOOD, Kiosk, SICK, signal};

#[test]
fn in_auto_mode_a_failure_is_healed_under_traffic_without_harming_a_request_and_can_be_taken_back()
{
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("auto");
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    let clients = kiosk.clients(4);
    let healed = kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
    assert_eq!(healed["class"], "data.missing_key");
    let answer = kiosk.order(SICK).unwrap();
    assert!(
        (400..=422).contains(&answer.status) && answer.body.contains("quantity"),
        "{answer:?}"
    );
    assert_ne!(kiosk.source(), before);

    let id = kiosk.incident_id();
    assert!(
        kiosk
            .cli(&["rollback", &id, "--reason", "to see it work"])
            .status
            .success()
    );
    kiosk.wait_for_outcome("rolled_back");
    assert_eq!(kiosk.source(), before, "byte for byte");
    for _ in 0..8 {
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    }
    let verified = kiosk.json(&["audit", "verify"]);
    assert_eq!(verified["whole"], true);
    assert_eq!(
        kiosk.incident().unwrap()["outcome"]["outcome"],
        "rolled_back",
        "what was taken back is not tried again on the same code"
    );
}

#[test]
fn failures_that_all_workers_capture_while_their_heal_is_at_work_do_not_hold_it_up() {
    let mut kiosk = Kiosk::new();
    kiosk.start_with("auto", &["-w", "4"]);
    let clients = kiosk.clients(8);
    kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
}

#[test]
fn when_the_first_request_asked_for_nothing_that_exists_another_one_is_examined() {
    let mut kiosk = Kiosk::new();
    let sick = kiosk.source().replace(
        "@app.get(\"/health\")",
        "def greeting():\n    return os.environ.get(\"KIOSK_GREETING\", \"hello\")\n\n\n\
         @app.before_request\ndef greet():\n    if request.path != \"/health\":\n        \
         app.config[\"GREETING\"] = os.environ[\"KIOSK_GREETING\"]\n\n\n@app.get(\"/health\")",
    );
    let sick = sick.replace("from flask", "import os\n\nfrom flask");
    std::fs::write(kiosk.path("kiosk.py"), sick).unwrap();
    kiosk.start("auto");
    assert_eq!(kiosk.get("/nowhere").unwrap().status, 500);
    kiosk.wait_for_outcome("refused");
    kiosk.wait("the failure is healed", || {
        kiosk.order(GOOD);
        kiosk
            .incident()
            .filter(|found| found["outcome"]["outcome"] == "healed")
    });
    assert_eq!(kiosk.get("/nowhere").unwrap().status, 404);
    assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
}

#[test]
fn in_propose_mode_nothing_is_touched_until_a_person_agrees() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("propose");
    kiosk.order(SICK).unwrap();
    kiosk.wait_for_phase("waiting");
    assert_eq!(kiosk.source(), before);
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    let id = kiosk.incident_id();
    let diff = kiosk.cli(&["diff", &id]);
    assert!(String::from_utf8_lossy(&diff.stdout).contains("quantity"));
    assert!(kiosk.log().contains(&format!("homeostasis approve {id}")));

    let clients = kiosk.clients(2);
    assert!(kiosk.cli(&["approve", &id[..4]]).status.success());
    kiosk.wait_for_outcome("healed");
    let (_, harmed) = clients.stop();
    assert_eq!(harmed, 0);
    let again = kiosk.cli(&["approve", &id]);
    assert_eq!(
        again.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
}

#[test]
fn a_rejected_remedy_is_not_rolled_out() {
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    kiosk.start("propose");
    kiosk.order(SICK).unwrap();
    kiosk.wait_for_phase("waiting");
    let id = kiosk.incident_id();
    assert!(
        kiosk
            .cli(&["reject", &id, "--reason", "clients must be fixed"])
            .status
            .success()
    );
    kiosk.wait_for_outcome("refused");
    assert_eq!(kiosk.source(), before);
    let told = kiosk.cli(&["explain", &id]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("clients must be fixed"));
}

#[test]
fn a_preloading_master_hands_the_new_code_to_the_workers_it_forks_later() {
    let mut kiosk = Kiosk::new();
    kiosk.start_with("auto", &["-w", "2", "--preload"]);
    kiosk.order(SICK).unwrap();
    let clients = kiosk.clients(2);
    kiosk.wait_for_outcome("healed");
    clients.stop();
    for worker in kiosk.workers() {
        signal("KILL", worker);
    }
    for _ in 0..10 {
        let answer = kiosk.wait("a new worker answers", || kiosk.order(SICK));
        assert!((400..=422).contains(&answer.status), "{answer:?}");
    }
}

#[test]
fn in_observe_mode_a_failure_is_diagnosed_and_nothing_is_tried() {
    let mut kiosk = Kiosk::new();
    kiosk.start("observe");
    kiosk.order(SICK).unwrap();
    let found = kiosk.wait_for_outcome("abstained");
    assert_eq!(found["class"], "data.missing_key");
}

#[test]
fn a_capsule_can_be_run_again_without_any_heal() {
    let mut kiosk = Kiosk::new();
    kiosk.start("observe");
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    let id = kiosk.incident_id();
    let told = kiosk.json(&["capsule", "replay", &id]);
    assert_eq!(told["reproduced"], true, "{told}");
    let repaired = kiosk
        .source()
        .replace("line[\"quantity\"]", "line.get(\"quantity\", 1)");
    let repaired = repaired.replace("order[\"quantity\"]", "order.get(\"quantity\", 1)");
    assert_ne!(repaired, kiosk.source());
    std::fs::write(kiosk.path("kiosk.py"), repaired).unwrap();
    let output = kiosk.cli(&["capsule", "replay", &id]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not fail in the same way"), "{said}");
    let actions = kiosk.json(&["audit"]);
    assert!(actions.to_string().contains("capsule.replay"), "{actions}");
}
