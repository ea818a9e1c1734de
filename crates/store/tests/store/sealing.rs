//! Sealing with the user's key: what the file shows, which keys open it, and what happens to altered rows.

use crate::child;
use crate::samples::{
    abstained, at, candidate, diagnosed, event_with, judged, opened, planned, trial,
};
use homeostasis_domain::heal::HealEvent;
use homeostasis_domain::trial::CheckStatus;
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{EventId, HealId, IncidentId};
use homeostasis_store::{Key, KeyError, OpenError, Program, Store, StoreError};
use proptest::prelude::*;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What must not be seen in a sealed file.
const PRIVATE: &str = "the-customer-ordered-pears";

fn new_key(folder: &Path) -> Key {
    Key::create(&folder.join("key")).unwrap()
}

async fn with(folder: &Path, key: &Key) -> Store {
    Store::open_exclusive_with_key(folder, Some(key))
        .await
        .unwrap()
}

fn program() -> Program {
    Program {
        command: vec!["shop".to_string(), format!("--token={PRIVATE}")],
        cwd: "/srv/shop".into(),
        root: "/srv/shop".into(),
        service: "shop".to_string(),
        environment: "production".to_string(),
        mode: "auto".to_string(),
        pid: 7,
        pid_started: 8,
        socket: "/run/x".into(),
        api: "http://127.0.0.1:1".to_string(),
    }
}

/// Writes something of everything, with the private text in all that can carry one.
async fn fill(store: &Store, from: i64) -> IncidentId {
    let mut last = None;
    for number in from..from + 40 {
        let event = event_with(
            &format!("e{number}"),
            &format!("f{}", number % 7),
            number,
            PRIVATE,
        );
        last = Some(store.record_event(&event).await.unwrap().incident.id);
    }
    let incident = last.unwrap();
    let heal = HealId::of(&incident, 1);
    if store.log(&heal).await.unwrap().is_empty() {
        let best = candidate(1);
        for (place, event) in [
            opened(&incident, "e1"),
            diagnosed("data.missing_key"),
            HealEvent::Reproduced {
                trial: trial(None, CheckStatus::Failed),
            },
            HealEvent::Proposed {
                candidates: vec![best.clone()],
                declined: vec![PRIVATE.to_string()],
            },
            HealEvent::Tried {
                trial: trial(Some(&best), CheckStatus::Passed),
            },
            judged(Some(&best), Decision::Go),
            planned(&best),
        ]
        .iter()
        .enumerate()
        {
            store
                .append(&heal, place as u64 + 1, at(place as i64), event)
                .await
                .unwrap();
        }
    }
    let closed = HealId::of(&IncidentId::new("0a0a0a0a"), from as u32 + 1);
    store
        .append(&closed, 1, at(0), &opened(&closed.incident(), "e1"))
        .await
        .unwrap();
    let outcome = HealEvent::Closed {
        outcome: homeostasis_domain::Outcome::Abstained {
            reason: PRIVATE.to_string(),
        },
    };
    store.append(&closed, 2, at(1), &outcome).await.unwrap();
    let text = format!("{PRIVATE} {from}").repeat(300);
    store.put_blob(&heal, text.as_bytes()).await.unwrap();
    store.put_program(&program()).await.unwrap();
    let entries = store.audit_entries().await.unwrap().len() as u64;
    let hash = |number: u64| format!("hash {number}");
    let body = format!("{{\"summary\": \"{PRIVATE}\"}}");
    store
        .audit_append(entries + 1, &hash(entries), &hash(entries + 1), &body)
        .await
        .unwrap();
    incident
}

/// Everything a person can ask for, as text.
async fn all_of(store: &Store) -> String {
    let mut told = String::new();
    for summary in store.incidents().await.unwrap() {
        told.push_str(&format!("{summary:?}\n"));
        let id = &summary.incident.id;
        for event in store.events_of(id, 100).await.unwrap() {
            assert_eq!(store.event(&event.id).await.unwrap().unwrap(), event);
            told.push_str(&format!("{event:?}\n"));
        }
        for heal in store.heals_of(id).await.unwrap() {
            told.push_str(&format!("{:?}\n", store.log(&heal).await.unwrap()));
        }
    }
    let closed = IncidentId::new("0a0a0a0a");
    let heals = store.heals_since(&closed, at(0)).await.unwrap();
    told.push_str(&format!("{heals:?}\n"));
    told.push_str(&format!("{:?}\n", store.unfinished().await.unwrap()));
    told.push_str(&format!("{:?}\n", store.program().await.unwrap()));
    told.push_str(&format!("{:?}\n", store.audit_entries().await.unwrap()));
    told
}

/// Whether the private text is anywhere in the files of the store.
fn shows(folder: &Path) -> bool {
    let files = fs::read_dir(folder).unwrap().flatten();
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("store.db"))
        .any(|file| {
            let bytes = fs::read(file.path()).unwrap();
            bytes
                .windows(PRIVATE.len())
                .any(|part| part == PRIVATE.as_bytes())
        })
}

/// A connection that knows nothing of keys.
async fn raw(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.join("store.db"));
    options.connect().await.unwrap()
}

async fn execute(folder: &Path, statement: &'static str) {
    let mut connection = raw(folder).await;
    let done = sqlx::query(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_sealed_store_says_the_same_as_a_plain_one_and_its_files_show_nothing() {
    let (plain, sealed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open_exclusive(plain.path()).await.unwrap();
    fill(&store, 0).await;
    let expected = all_of(&store).await;
    assert!(expected.contains(PRIVATE));
    assert!(shows(plain.path()), "the text is not even in a plain store");
    let key = new_key(sealed.path());
    let store = with(sealed.path(), &key).await;
    fill(&store, 0).await;
    assert_eq!(all_of(&store).await, expected);
    assert_eq!(store.unsealed().await.unwrap(), 0);
    assert!(!shows(sealed.path()));
    store.close().await;
    assert!(!shows(sealed.path()));
    let store = Store::open_with_key(sealed.path(), Some(&key))
        .await
        .unwrap();
    assert_eq!(all_of(&store).await, expected);
}

#[tokio::test]
async fn a_sealed_store_opens_with_its_own_key_only_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    with(folder.path(), &key).await.close().await;
    let other = Key::create(&folder.path().join("other")).unwrap();
    for given in [None, Some(&other)] {
        for error in [
            Store::open_with_key(folder.path(), given)
                .await
                .unwrap_err(),
            Store::open_exclusive_with_key(folder.path(), given)
                .await
                .unwrap_err(),
        ] {
            let told = error.to_string();
            assert!(told.contains(&key.name()), "{told}");
            match given {
                None => assert!(matches!(error, OpenError::NoKey { .. }), "{error:?}"),
                Some(other) => {
                    assert!(matches!(error, OpenError::WrongKey { .. }), "{error:?}");
                    assert!(told.contains(&other.name()), "{told}");
                }
            }
        }
    }
    with(folder.path(), &key).await;
}

#[tokio::test]
async fn looking_into_a_plain_store_with_a_key_does_not_seal_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    let store = Store::open_with_key(folder.path(), Some(&key))
        .await
        .unwrap();
    fill(&store, 0).await;
    store.close().await;
    let store = Store::open(folder.path()).await.unwrap();
    assert!(all_of(&store).await.contains(PRIVATE));
    assert_eq!(store.sizes().await.unwrap().key, None);
}

#[tokio::test]
async fn a_plain_store_that_gets_a_key_is_readable_all_the_time_and_shows_nothing_once_it_is_sealed()
 {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_exclusive(folder.path()).await.unwrap();
    fill(&store, 0).await;
    store.close().await;
    drop(store);
    let key = new_key(folder.path());
    let store = with(folder.path(), &key).await;
    fill(&store, 1000).await;
    let expected = all_of(&store).await;
    let plain = store.unsealed().await.unwrap();
    let sizes = store.sizes().await.unwrap();
    assert_eq!((sizes.key, sizes.plain), (Some(key.name()), plain));
    let mut told = Vec::new();
    let sealed = store
        .seal_all(|progress| told.push(progress))
        .await
        .unwrap();
    assert!(plain > 50, "{plain} values were plain");
    assert_eq!(sealed, plain);
    assert!(told.len() > 5 && told.iter().all(|progress| progress.of == plain));
    assert!(told.windows(2).all(|pair| pair[0].done < pair[1].done));
    assert_eq!(store.unsealed().await.unwrap(), 0);
    assert_eq!(all_of(&store).await, expected);
    assert!(!shows(folder.path()));
    assert_eq!(store.seal_all(|_| {}).await.unwrap(), 0);
}

#[tokio::test]
async fn sealing_that_was_killed_anywhere_loses_nothing_and_goes_on() {
    for kill_after in [1, 4, 9] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_exclusive(folder.path()).await.unwrap();
        for from in [0, 1000, 2000] {
            fill(&store, from).await;
        }
        let expected = all_of(&store).await;
        let sealed_nothing = store.unsealed().await.unwrap();
        store.close().await;
        drop(store);
        let key = new_key(folder.path());
        let mut sealed: u64 = 0;
        let mut child = child::command("seals_until_it_is_killed", folder.path())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut transactions = 0;
        for line in lines.map_while(Result::ok) {
            assert_ne!(line, "done", "it was not killed in time");
            if let Some(count) = line.strip_prefix("sealed ") {
                sealed += count.parse::<u64>().unwrap();
                transactions += 1;
                if transactions == kill_after {
                    child.kill().unwrap();
                    break;
                }
            }
        }
        child.wait().unwrap();
        let store = with(folder.path(), &key).await;
        let rest = store.unsealed().await.unwrap();
        assert!(rest > 0 && rest <= sealed_nothing - sealed, "{rest}");
        assert_eq!(all_of(&store).await, expected);
        assert_eq!(store.seal_all(|_| {}).await.unwrap(), rest);
        assert_eq!(all_of(&store).await, expected);
        assert!(!shows(folder.path()));
    }
}

#[tokio::test]
async fn a_key_is_changed_and_the_old_one_opens_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let old = new_key(folder.path());
    let store = with(folder.path(), &old).await;
    fill(&store, 0).await;
    let expected = all_of(&store).await;
    let count = store.sizes().await.unwrap();
    store.close().await;
    drop(store);
    let new = Key::create(&folder.path().join("new")).unwrap();
    let stranger = Key::create(&folder.path().join("stranger")).unwrap();
    let error = Store::change_key(folder.path(), &stranger, &new, |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&old.name()), "{error}");
    let done = Store::change_key(folder.path(), &old, &new, |_| {})
        .await
        .unwrap();
    assert!(done > count.events.count, "{done}");
    // Doing it again finds nothing to do.
    let done = Store::change_key(folder.path(), &old, &new, |_| {})
        .await
        .unwrap();
    assert_eq!(done, 0);
    let error = Store::open_with_key(folder.path(), Some(&old))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::WrongKey { .. }), "{error:?}");
    assert_eq!(all_of(&with(folder.path(), &new).await).await, expected);
}

#[tokio::test]
async fn a_change_of_key_that_was_killed_is_finished_with_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let old = new_key(folder.path());
    let new = Key::create(&folder.path().join("new")).unwrap();
    let store = with(folder.path(), &old).await;
    fill(&store, 0).await;
    let expected = all_of(&store).await;
    store.close().await;
    drop(store);
    let mut child = child::command("changes_the_key_until_it_is_killed", folder.path())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    for _ in 0..3 {
        assert!(lines.any(|line| line == "sealed"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for key in [&old, &new] {
        let error = Store::open_with_key(folder.path(), Some(key))
            .await
            .unwrap_err();
        assert!(matches!(error, OpenError::KeyChanging { .. }), "{error:?}");
        let told = error.to_string();
        assert!(told.contains(&old.name()) && told.contains(&new.name()));
    }
    let error = Store::change_key(folder.path(), &new, &old, |_| {}).await;
    assert!(error.is_err(), "the keys were taken the wrong way round");
    let rest = Store::change_key(folder.path(), &old, &new, |_| {})
        .await
        .unwrap();
    assert!(rest > 0);
    assert_eq!(all_of(&with(folder.path(), &new).await).await, expected);
}

#[tokio::test]
async fn a_store_that_is_not_sealed_has_no_key_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    let error = Store::change_key(folder.path(), &key, &key, |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not encrypted"), "{error}");
}

#[tokio::test]
async fn values_put_into_another_row_do_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    let store = with(folder.path(), &key).await;
    let incident = fill(&store, 0).await;
    store.close().await;
    drop(store);
    let swaps = [
        "UPDATE events SET body = (SELECT body FROM events WHERE id = 'e39') WHERE id = 'e38'",
        "UPDATE heal_log SET event = (SELECT l.event FROM heal_log AS l WHERE l.heal = heal_log.heal AND l.number = 1) WHERE number = 2",
        "UPDATE incidents SET title = (SELECT title FROM incidents ORDER BY id LIMIT 1)",
        "UPDATE heals SET outcome = (SELECT value FROM meta WHERE name = 'program') WHERE outcome IS NOT NULL",
        "UPDATE meta SET value = (SELECT body FROM audit)",
        "UPDATE audit SET body = (SELECT event FROM heal_log LIMIT 1)",
        "UPDATE blobs SET body = (SELECT body FROM events LIMIT 1)",
    ];
    for swap in swaps {
        execute(folder.path(), swap).await;
    }
    let store = with(folder.path(), &key).await;
    let sha256: String = sqlx::query_scalar("SELECT sha256 FROM blobs")
        .fetch_one(&mut raw(folder.path()).await)
        .await
        .unwrap();
    let heal = HealId::of(&incident, 1);
    let errors = [
        store.event(&EventId::new("e38")).await.err(),
        store.log(&heal).await.err(),
        store.incidents().await.err(),
        store
            .heals_since(&IncidentId::new("0a0a0a0a"), at(0))
            .await
            .err(),
        store.program().await.err(),
        store.audit_entries().await.err(),
        store.get_blob(&sha256).await.err(),
    ];
    for (swap, error) in swaps.iter().zip(errors) {
        assert!(
            matches!(error, Some(StoreError::Altered { .. })),
            "{swap}: {error:?}"
        );
    }
    assert!(store.event(&EventId::new("e39")).await.unwrap().is_some());
    let error = store.event(&EventId::new("e38")).await.unwrap_err();
    assert!(error.to_string().contains("event e38"), "{error}");
}

#[tokio::test]
async fn values_that_were_cut_or_made_plain_or_given_another_key_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    let store = with(folder.path(), &key).await;
    fill(&store, 0).await;
    for (statement, expected) in [
        (
            "UPDATE events SET body = substr(body, 1, length(body) - 1) WHERE id = 'e39'",
            "does not open",
        ),
        (
            "UPDATE events SET body = substr(body, 1, 10) WHERE id = 'e39'",
            "does not open",
        ),
        (
            "UPDATE events SET body = x'' WHERE id = 'e39'",
            "does not open",
        ),
        (
            "UPDATE events SET sealed = 0 WHERE id = 'e39'",
            "cannot be read",
        ),
        (
            "UPDATE events SET sealed = 9 WHERE id = 'e39'",
            "key that was not given",
        ),
    ] {
        execute(folder.path(), statement).await;
        let error = store.event(&EventId::new("e39")).await.unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "{statement}: {error:?}"
        );
    }
    // All others are still there.
    assert!(store.event(&EventId::new("e38")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_reader_that_was_there_before_the_key_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Store::open(folder.path()).await.unwrap();
    let key = new_key(folder.path());
    let store = with(folder.path(), &key).await;
    fill(&store, 0).await;
    let error = reader.event(&EventId::new("e39")).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { .. }), "{error:?}");
    assert!(error.to_string().contains("--key-file"), "{error}");
}

#[test]
fn a_key_file_is_for_its_owner_only_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let key = Key::create(&file).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    let error = Key::create(&file).unwrap_err();
    assert!(matches!(error, KeyError::Exists { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(Key::read(&file).unwrap().name(), key.name());
    assert_eq!(Key::from_text(&text, "here").unwrap().name(), key.name());
    let digits = text.trim().split(':').nth(1).unwrap();
    assert!(!format!("{key:?}").contains(&digits[..8]));
    let another = Key::create(&folder.path().join("another")).unwrap();
    assert_ne!(another.name(), key.name());
}

#[test]
fn what_is_no_key_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    Key::create(&file).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    for wrong in [
        "",
        "hello",
        &text[1..],
        &text[..30],
        &text.replace(':', " "),
    ] {
        fs::write(&file, wrong).unwrap();
        let error = Key::read(&file).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{wrong:?}");
        assert!(error.to_string().contains("key new"));
    }
    let missing = Key::read(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(missing, KeyError::Read { .. }), "{missing:?}");
}

#[tokio::test]
async fn a_heal_goes_on_in_a_sealed_store_as_in_a_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let key = new_key(folder.path());
    let incident = IncidentId::new("0a0a0a0a");
    let heal = HealId::of(&incident, 1);
    for number in 1..=2 {
        let store = with(folder.path(), &key).await;
        let event = match number {
            1 => opened(&incident, "e"),
            _ => abstained(),
        };
        store.append(&heal, number, at(0), &event).await.unwrap();
        assert_eq!(store.log(&heal).await.unwrap().len() as u64, number);
        store.close().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn any_text_and_any_bytes_come_back_from_a_sealed_store(
        text in "\\PC{1,60}", bytes in proptest::collection::vec(any::<u8>(), 0..2000)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let key = new_key(folder.path());
            let store = with(folder.path(), &key).await;
            let event = event_with("e", "f", 1, &text);
            store.record_event(&event).await.unwrap();
            let sha256 = store.put_blob(&HealId::new("h"), &bytes).await.unwrap();
            store.put_meta(&text, &text).await.unwrap();
            store.close().await;
            drop(store);
            let store = with(folder.path(), &key).await;
            assert_eq!(store.event(&EventId::new("e")).await.unwrap(), Some(event));
            assert_eq!(store.get_blob(&sha256).await.unwrap(), Some(bytes));
            assert_eq!(store.get_meta::<String>(&text).await.unwrap(), Some(text));
            store.close().await;
        });
    }
}
