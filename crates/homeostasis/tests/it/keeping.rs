//! What is kept from outside: with which key, for how long, and what a person sees of it.

use crate::support::{Kiosk, SICK};
use homeostasis_domain::{EventId, Fingerprint};
use homeostasis_store::{Key, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the failing script holds when it fails.
const PRIVATE: &str = "the-customer-ordered-pears";

/// A script that fails, in a folder of its own.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new() -> Script {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("program")).unwrap();
        let script = Script { folder };
        let text = format!(
            "import os, random\ndef run(order):\n    print('key' if 'HOMEOSTASIS_KEY' in os.environ else 'no key')\n    return order['quantity']\nrun({{'item': '{PRIVATE}'}})\n"
        );
        fs::write(script.program().join("job.py"), text).unwrap();
        script
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn key_text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn homeostasis(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_homeostasis"))
            .args(arguments)
            .current_dir(self.program())
            .env_remove("HOMEOSTASIS_KEY")
            .env_remove("HOMEOSTASIS_STORE")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// Watches the script until it has failed and its heal has ended.
    fn fail(&self, options: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut arguments = vec!["run", "--mode", "observe"];
        arguments.extend(options);
        arguments.extend(["--", "python3", "job.py"]);
        let output = self.homeostasis(&arguments, variables);
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        output
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.homeostasis(&all, &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", errors(&output)))
    }

    /// Whether the files of the store show what was captured.
    fn shows(&self) -> bool {
        shows(&self.program().join(".homeostasis"), PRIVATE)
    }
}

/// Whether a text is in one of the files of a store.
fn shows(store: &Path, text: &str) -> bool {
    let files = fs::read_dir(store).unwrap().flatten();
    files.filter(|file| file.path().is_file()).any(|file| {
        let bytes = fs::read(file.path()).unwrap();
        let mut parts = bytes.windows(text.len());
        parts.any(|part| part == text.as_bytes())
    })
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_store_is_encrypted_with_the_users_key_from_when_there_is_one() {
    let script = Script::new();
    let output = script.homeostasis(&["key", "new", &script.path("key")], &[]);
    assert!(output.status.success(), "{}", errors(&output));
    let text = script.key_text("key");
    let again = script.homeostasis(&["key", "new", &script.path("key")], &[]);
    assert_eq!(again.status.code(), Some(3));
    assert_eq!(script.key_text("key"), text);

    script.fail(&[], &[]);
    assert!(script.shows());
    let status = script.json(&["store", "status"]);
    assert!(status["sizes"]["key"].is_null(), "{status}");
    let doctor = told(&script.homeostasis(&["doctor"], &[]));
    assert!(doctor.contains("not encrypted"), "{doctor}");

    // The key in the environment stays with Homeostasis.
    let output = script.fail(&[], &[("HOMEOSTASIS_KEY", text.trim())]);
    assert_eq!(told(&output), "no key\n");
    let key_file = script.path("key");
    let with_key = ["--key-file", key_file.as_str()];
    let sizes = &script.json(&[&["store", "status"], &with_key[..]].concat())["sizes"];
    assert!(sizes["plain"].as_u64().unwrap() > 0, "{sizes}");
    let sealed = script.json(&[&["key", "seal"], &with_key[..]].concat());
    assert_eq!(sealed["sealed"], sizes["plain"]);
    assert!(!script.shows());

    let incidents = script.json(&[&["incidents"], &with_key[..]].concat());
    assert_eq!(incidents[0]["incident"]["count"], 2, "{incidents}");
    let id = incidents[0]["incident"]["id"].as_str().unwrap();
    let shown = script.homeostasis(&[&["capsule", "show", id], &with_key[..]].concat(), &[]);
    assert!(told(&shown).contains(PRIVATE), "{}", told(&shown));
    let whole = script.homeostasis(&[&["audit", "verify"], &with_key[..]].concat(), &[]);
    assert!(whole.status.success(), "{}", errors(&whole));
}

#[test]
fn without_its_key_a_store_stays_closed_and_the_program_runs_all_the_same() {
    let script = Script::new();
    for name in ["key", "other"] {
        Key::create(Path::new(&script.path(name))).unwrap();
    }
    script.fail(&["--key-file", &script.path("key")], &[]);
    assert!(!script.shows());
    let other = script.path("other");
    let missing = script.path("missing");
    for (options, reason) in [
        (&[][..], "no key was given"),
        (&["--key-file", &other][..], "the one that was given is"),
        (&["--key-file", &missing][..], "cannot be read"),
        (&["--key-file", "job.py"][..], "does not hold a key"),
    ] {
        for command in [&["incidents"][..], &["store", "prune"], &["audit"]] {
            let output = script.homeostasis(&[command, options].concat(), &[]);
            assert!(!output.status.success() && told(&output).is_empty());
            assert!(errors(&output).contains(reason), "{}", errors(&output));
        }
        let output = script.fail(options, &[]);
        let said = errors(&output);
        assert!(
            said.contains(reason) && said.contains("without Homeostasis"),
            "{said}"
        );
        assert_eq!(told(&output), "no key\n");
    }
    let changed = script.homeostasis(&["key", "rotate", &script.path("key"), &other], &[]);
    assert!(changed.status.success(), "{}", errors(&changed));
    let incidents = script.json(&["incidents", "--key-file", &other]);
    assert_eq!(incidents[0]["incident"]["count"], 1, "{incidents}");
}

#[test]
fn the_key_and_what_is_kept_can_stand_in_the_settings() {
    let script = Script::new();
    Key::create(Path::new(&script.path("key"))).unwrap();
    let settings = "[store]\nkey_file = \"../key\"\nkeep_days = 7\nmax_megabytes = 64\n";
    fs::write(script.program().join("homeostasis.toml"), settings).unwrap();
    script.fail(&[], &[]);
    assert!(!script.shows());
    let status = script.json(&["store", "status"]);
    assert_eq!(status["retention"]["days"], 7);
    assert_eq!(status["retention"]["bytes"], 64 << 20);
    assert_eq!(status["sizes"]["plain"], 0);
    assert_eq!(script.json(&["incidents"]).as_array().unwrap().len(), 1);
    for wrong in ["keep_days = 0", "keep_weeks = 1", "max_megabytes = -1"] {
        fs::write(
            script.program().join("homeostasis.toml"),
            format!("[store]\n{wrong}\n"),
        )
        .unwrap();
        let output = script.homeostasis(&["store", "status"], &[]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn old_failures_are_let_go_on_demand_after_they_were_told() {
    let script = Script::new();
    script.fail(&[], &[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let age_a_copy = async {
        let store = Store::open(&script.program().join(".homeostasis"))
            .await
            .unwrap();
        let incident = store.incidents().await.unwrap().remove(0).incident.id;
        let mut event = store.events_of(&incident, 1).await.unwrap().remove(0);
        event.id = EventId::new("old");
        event.fingerprint = Fingerprint::new("another");
        event.signature = "another".to_string();
        event.time = Timestamp::now() - SignedDuration::from_hours(9 * 24);
        event.received = event.time;
        store.record_event(&event).await.unwrap();
        store.close().await;
    };
    runtime.block_on(age_a_copy);
    let nothing = script.homeostasis(&["store", "prune"], &[]);
    assert_eq!(told(&nothing), "nothing is to be let go\n");
    let week = ["store", "prune", "--older-than", "7d"];
    for (options, incidents_after) in [(&["--dry-run"][..], 2), (&[], 1)] {
        let answer = script.json(&[&week[..], options].concat());
        assert_eq!(answer["dry_run"], !options.is_empty());
        assert_eq!(answer["pruned"]["incidents"], 1, "{answer}");
        assert_eq!(answer["pruned"]["events"], 1);
        let left = script.json(&["incidents"]);
        assert_eq!(left.as_array().unwrap().len(), incidents_after);
    }
    // What failed today is fresh, whatever is asked for.
    let again = script.homeostasis(&["store", "prune", "--older-than", "0h"], &[]);
    assert_eq!(told(&again), "nothing is to be let go\n");
    let wrong = script.homeostasis(&["store", "prune", "--older-than", "week"], &[]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_program_is_healed_and_the_heal_taken_back_from_an_encrypted_store() {
    let elsewhere = tempfile::tempdir().unwrap();
    let key_file = elsewhere.path().join("key");
    let key = Key::create(&key_file).unwrap();
    let mut kiosk = Kiosk::new();
    let before = kiosk.source();
    let settings = format!("[store]\nkey_file = {key_file:?}\n");
    fs::write(kiosk.path("homeostasis.toml"), settings).unwrap();
    kiosk.start("auto");
    assert_eq!(kiosk.order(SICK).unwrap().status, 500);
    let clients = kiosk.clients(4);
    kiosk.wait_for_outcome("healed");
    let (sent, harmed) = clients.stop();
    assert_eq!(harmed, 0, "of {sent} requests");
    let id = kiosk.incident_id();
    kiosk.kill_homeostasis();
    let store = kiosk.path(".homeostasis");
    for private in ["PRICES", "\"quantity\"", "quantity", "KeyError", "gunicorn"] {
        assert!(
            !shows(&store, private),
            "{private} can be read in the store"
        );
    }
    // The next one goes on from what it can open.
    kiosk.start("auto");
    let sizes = &kiosk.json(&["store", "status"])["sizes"];
    assert_eq!(sizes["key"], key.name());
    assert_eq!(sizes["plain"], 0);
    assert!(sizes["sources"]["count"].as_u64().unwrap() >= 2, "{sizes}");
    // The program served all the while, so that Homeostasis itself may be a moment later.
    kiosk.wait("the rollback is taken up", || {
        let asked = kiosk.cli(&["rollback", &id]);
        asked.status.success().then_some(())
    });
    kiosk.wait_for_outcome("rolled_back");
    assert_eq!(kiosk.source(), before, "byte for byte");
    assert_eq!(kiosk.json(&["audit", "verify"])["whole"], true);
}
