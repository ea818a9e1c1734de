//! What can be wrong around a heal: each gives a clear word, nothing is lost, and the program is untouched.

use crate::support::{Kiosk, environment};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const SICK: &str = r#"{"item": "tea"}"#;

#[test]
fn a_file_that_changed_since_the_program_started_is_left_alone() {
    let mut kiosk = Kiosk::new();
    kiosk.start("auto");
    let edited = format!(
        "{}\n\ndef later():\n    return 1\n",
        kiosk.source().replace("\"well\"", "\"very well\"")
    );
    fs::write(kiosk.path("kiosk.py"), &edited).unwrap();
    kiosk.order(SICK).unwrap();
    let found = kiosk.wait("the heal has ended", || {
        kiosk.incident().filter(|found| found["phase"] == "closed")
    });
    assert_eq!(found["outcome"]["outcome"], "refused", "{found}");
    assert!(
        found["outcome"]["reason"]
            .as_str()
            .unwrap()
            .contains("restart"),
        "{found}"
    );
    assert_eq!(kiosk.source(), edited);
}

#[test]
fn a_suite_that_hangs_forks_and_eats_memory_is_ended_and_nothing_is_rolled_out() {
    let mut kiosk = Kiosk::new();
    let suite = "import os, subprocess, sys, time\n\ndef test_bad():\n    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n    hoard = []\n    while True:\n        hoard.append(bytearray(64 << 20))\n";
    fs::write(kiosk.path("test_bad.py"), suite).unwrap();
    let before = kiosk.source();
    kiosk.start("auto");
    kiosk.order(SICK).unwrap();
    let settled = kiosk.wait("the heal waits or has ended", || {
        kiosk
            .incident()
            .filter(|found| found["phase"] == "closed" || found["phase"] == "waiting")
    });
    assert_ne!(settled["outcome"]["outcome"], "healed");
    assert_eq!(kiosk.source(), before);
    assert_eq!(
        kiosk
            .order(r#"{"item": "tea", "quantity": 2}"#)
            .unwrap()
            .status,
        201
    );
}

#[test]
fn a_program_without_tests_and_without_git_is_healed_on_the_evidence_there_is_or_waits_for_a_person()
 {
    let mut kiosk = Kiosk::new();
    fs::remove_file(kiosk.path("test_kiosk.py")).unwrap();
    kiosk.start("auto");
    assert_eq!(
        kiosk
            .order(r#"{"item": "tea", "quantity": 2}"#)
            .unwrap()
            .status,
        201
    );
    kiosk.order(SICK).unwrap();
    let clients = kiosk.clients(2);
    let settled = kiosk.wait("the heal waits or is done", || {
        kiosk
            .incident()
            .filter(|found| found["phase"] == "waiting" || found["outcome"]["outcome"] == "healed")
    });
    clients.stop();
    let told = kiosk.cli(&["explain", &kiosk.incident_id()]);
    assert!(
        String::from_utf8_lossy(&told.stdout).contains("no tests"),
        "{settled}"
    );
}

#[test]
fn a_neighbour_that_does_not_parse_does_no_harm() {
    let mut kiosk = Kiosk::new();
    fs::write(kiosk.path("broken.py"), "def f(:\n  ???\n").unwrap();
    kiosk.start("propose");
    kiosk.order(SICK).unwrap();
    kiosk.wait_for_phase("waiting");
}

#[test]
fn a_damaged_store_is_named_kept_and_the_program_starts_unwatched() {
    let mut kiosk = Kiosk::new();
    fs::create_dir(kiosk.path(".homeostasis")).unwrap();
    fs::set_permissions(
        kiosk.path(".homeostasis"),
        fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let garbage = vec![b'x'; 9000];
    let database = fs::read_dir(Kiosk::started_and_stopped().path(".homeostasis"))
        .unwrap()
        .flatten()
        .map(|item| item.file_name())
        .find(|name| {
            name.to_string_lossy().ends_with(".db") || name.to_string_lossy().ends_with(".sqlite")
        })
        .expect("the store has a database file");
    fs::write(kiosk.path(".homeostasis").join(&database), &garbage).unwrap();
    kiosk.start("auto");
    assert!(
        kiosk.log().contains("without Homeostasis"),
        "{}",
        kiosk.log()
    );
    assert_eq!(
        fs::read(kiosk.path(".homeostasis").join(&database)).unwrap(),
        garbage,
        "nothing of it is touched"
    );
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
}

#[test]
fn a_source_tree_that_cannot_be_written_is_refused_before_anything_is_touched() {
    // Root may write anywhere, so the tree is on a read-only mount in a mount namespace of its own.
    let kiosk = Kiosk::new();
    let store = tempfile::tempdir().unwrap();
    let script = format!(
        "mount --bind {tree} {tree} && mount -o remount,bind,ro {tree} && cd {tree} && exec {binary} run --mode auto --store {store} -- {gunicorn} --worker-tmp-dir /dev/shm -w 1 -b 127.0.0.1:{port} kiosk:app",
        tree = kiosk.path("").display(),
        binary = env!("CARGO_BIN_EXE_homeostasis"),
        store = store.path().join("s").display(),
        gunicorn = environment().join("bin/gunicorn").display(),
        port = kiosk.port(),
    );
    let mut child = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .spawn()
        .unwrap();
    kiosk.wait("the kiosk serves", || {
        kiosk.get("/health").filter(|answer| answer.status == 200)
    });
    kiosk.order(SICK).unwrap();
    let folder = store.path().join("s").display().to_string();
    let found = kiosk.wait("the heal has ended", || {
        let incidents = kiosk.json(&["incidents", "--store", &folder]);
        incidents
            .get(0)
            .filter(|found| found["phase"] == "closed")
            .cloned()
    });
    drop(Command::new("kill").arg(child.id().to_string()).status());
    drop(child.wait());
    assert_eq!(found["outcome"]["outcome"], "refused", "{found}");
    assert!(
        found["outcome"]["reason"]
            .as_str()
            .unwrap()
            .contains("cannot replace"),
        "{found}"
    );
}

#[test]
fn a_full_disk_is_told_and_the_program_goes_on() {
    let kiosk = Kiosk::new();
    let store = tempfile::tempdir().unwrap();
    // A file system of 3 MiB for the store: room to begin, none to go on.
    let script = format!(
        "mount -t tmpfs -o size=3m none {store} && cd {tree} && exec {binary} run --mode auto --store {store}/s -- {gunicorn} -w 1 -b 127.0.0.1:{port} kiosk:app",
        tree = kiosk.path("").display(),
        binary = env!("CARGO_BIN_EXE_homeostasis"),
        store = store.path().display(),
        gunicorn = environment().join("bin/gunicorn").display(),
        port = kiosk.port(),
    );
    let log = kiosk.path("../").join(format!("full-{}.log", kiosk.port()));
    let file = fs::File::create(&log).unwrap();
    let mut child = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .stderr(file)
        .spawn()
        .unwrap();
    kiosk.wait("the kiosk serves", || {
        kiosk.get("/health").filter(|answer| answer.status == 200)
    });
    // Each distinct failure is an event with its capsule; large bodies fill the store quickly.
    let padding = "p".repeat(200_000);
    for number in 0..40 {
        let body = format!("{{\"item\": \"tea\", \"padding{number}\": \"{padding}\"}}");
        assert_eq!(kiosk.order(&body).unwrap().status, 500);
    }
    for _ in 0..20 {
        assert_eq!(
            kiosk
                .order(r#"{"item": "tea", "quantity": 2}"#)
                .unwrap()
                .status,
            201
        );
    }
    let told = kiosk.wait("the trouble is told or the store holds out", || {
        Some(fs::read_to_string(&log).unwrap())
    });
    assert!(!told.contains("panicked"), "{told}");
    drop(Command::new("kill").arg(child.id().to_string()).status());
    drop(child.wait());
    drop(fs::remove_file(&log));
}
