//! What can be wrong around a heal: each gives a clear word, nothing is lost, and the program is untouched.

use crate::support::{GOOD, Kiosk, SICK, environment};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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

/// A test suite that never ends by itself; its processes carry a mark by which they can be found.
fn ended_and_not_rolled_out(suite: &str) {
    let mut kiosk = Kiosk::new();
    let mark = format!("marked-{}", kiosk.port());
    fs::write(kiosk.path("test_bad.py"), suite.replace("MARK", &mark)).unwrap();
    fs::write(kiosk.path("homeostasis.toml"), "[tests]\nseconds = 10\n").unwrap();
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
    assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
    kiosk.wait("no process of the suite is left", || {
        (!any_process_with(&mark)).then_some(())
    });
}

fn any_process_with(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|item| fs::read(item.path().join("cmdline")).ok())
        .any(|command| String::from_utf8_lossy(&command).contains(mark))
}

#[test]
fn a_suite_that_forks_and_eats_memory_is_ended_and_nothing_is_rolled_out() {
    ended_and_not_rolled_out(
        "import subprocess, sys\n\ndef test_bad():\n    hoard = []\n    while True:\n        subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)', 'MARK'])\n        hoard.append(bytearray(64 << 20))\n",
    );
}

#[test]
fn a_suite_that_hangs_is_ended_and_nothing_is_rolled_out() {
    ended_and_not_rolled_out(
        "import signal, subprocess, sys, time\n\ndef test_bad():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)', 'MARK'], start_new_session=True)\n    time.sleep(3600)\n",
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
fn a_second_homeostasis_on_the_same_store_is_refused_and_starts_nothing() {
    let mut kiosk = Kiosk::new();
    kiosk.start("auto");
    let program = kiosk.program();
    let gunicorn = environment().join("bin/gunicorn").display().to_string();
    let address = format!("127.0.0.1:{}", kiosk.port());
    let second = kiosk.cli(&["run", "--", &gunicorn, "-b", &address, "kiosk:app"]);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(3), "{told}");
    assert!(told.contains("homeostasis status"), "{told}");
    assert_eq!(kiosk.program(), program);
    assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
}

#[test]
fn a_source_tree_that_cannot_be_written_is_refused_before_anything_is_touched() {
    // Root may write anywhere, so the tree is on a read-only mount in a mount namespace of its own.
    let mut kiosk = Kiosk::new();
    let store = tempfile::tempdir().unwrap();
    let script = format!(
        "mount --bind {tree} {tree} && mount -o remount,bind,ro {tree} && cd {tree} && exec {binary} run --mode auto --store {store} -- {gunicorn} --worker-tmp-dir /dev/shm -w 1 -b 127.0.0.1:{port} kiosk:app",
        tree = kiosk.path("").display(),
        binary = env!("CARGO_BIN_EXE_homeostasis"),
        store = store.path().join("s").display(),
        gunicorn = environment().join("bin/gunicorn").display(),
        port = kiosk.port(),
    );
    kiosk.start_in_namespace(&script);
    kiosk.order(SICK).unwrap();
    let folder = store.path().join("s").display().to_string();
    let found = kiosk.wait("the heal has ended", || {
        let incidents = kiosk.json(&["incidents", "--store", &folder]);
        incidents
            .get(0)
            .filter(|found| found["phase"] == "closed")
            .cloned()
    });
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
fn a_full_disk_is_told_the_program_goes_on_and_healing_resumes_when_there_is_room() {
    let mut kiosk = Kiosk::new();
    let store = tempfile::tempdir().unwrap();
    // A small file system of its own for the store.
    let script = format!(
        "mount -t tmpfs -o size=8m none {store} && cd {tree} && exec {binary} run --mode propose --store {store}/s -- {gunicorn} --worker-tmp-dir /dev/shm -w 2 -b 127.0.0.1:{port} kiosk:app",
        tree = kiosk.path("").display(),
        binary = env!("CARGO_BIN_EXE_homeostasis"),
        store = store.path().display(),
        gunicorn = environment().join("bin/gunicorn").display(),
        port = kiosk.port(),
    );
    let pid = kiosk.start_in_namespace(&script);
    // The way into its mount namespace.
    let inside = PathBuf::from(format!("/proc/{pid}/root{}", store.path().display()));
    let filler = inside.join("filler");
    fill(&filler);
    for _ in 0..10 {
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
        assert_eq!(kiosk.order(GOOD).unwrap().status, 201);
    }
    kiosk.wait("the trouble is told", || {
        kiosk
            .log()
            .contains("disk of the store is full")
            .then_some(())
    });
    fs::remove_file(&filler).unwrap();
    let folder = inside.join("s").display().to_string();
    let found = kiosk.wait("the remedy waits for a person", || {
        assert_eq!(kiosk.order(SICK).unwrap().status, 500);
        let incidents = kiosk.json(&["incidents", "--store", &folder]);
        incidents
            .get(0)
            .filter(|found| found["phase"] == "waiting")
            .cloned()
    });
    assert!(
        found["incident"]["count"].as_u64().unwrap() > 10,
        "failures on the full disk are counted too: {found}"
    );
    assert!(!kiosk.log().contains("panicked"), "{}", kiosk.log());
}

/// Writes a file until there is no room for a single byte more.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [64 * 1024, 1024, 1] {
        let piece = vec![b'x'; size];
        while let Ok(written) = file.write(&piece)
            && written > 0
        {}
    }
}
