//! The audit chain: that every way of tampering is found, that crashes are mended, and nothing else is.

use ed25519_dalek::SigningKey;
use homeostasis_policy::audit::{
    AuditEntry, Broken, Chain, ChainError, Draft, GENESIS, Head, parse, verify, verify_store,
    verify_with_head,
};
use homeostasis_store::Store;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn draft(number: u64) -> Draft {
    Draft {
        at: Timestamp::from_nanosecond(1_790_000_000_123_456_789 + i128::from(number)).unwrap(),
        actor: "alice".to_string(),
        action: "heal.approved".to_string(),
        subject: format!("0a0a0a0a.{number}"),
        detail: json!({"share": 0.1 + 0.2, "text": "é\u{0}\n", "b": 1, "a": number}),
    }
}

/// The first entries of one chain, which is signed once: signing is slow without optimisation.
fn chain(length: u64) -> Vec<AuditEntry> {
    static CHAIN: OnceLock<Vec<AuditEntry>> = OnceLock::new();
    let whole = CHAIN.get_or_init(|| {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for number in 1..=12 {
            let previous = entries
                .last()
                .map_or(GENESIS.to_string(), |entry| entry.hash.clone());
            entries.push(AuditEntry::sign(number, &previous, draft(number), &key()));
        }
        entries
    });
    whole[..length as usize].to_vec()
}

fn bodies(entries: &[AuditEntry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap())
        .collect()
}

/// What someone would learn who verifies these stored bodies with the true key and head.
fn proof(bodies: &[String], head: &Head) -> Result<u64, Broken> {
    let entries = parse(bodies)?;
    Ok(verify_with_head(&entries, Some(head), &key().verifying_key())?.count)
}

/// One field of an entry changed, by its number.
fn edit(entry: &mut AuditEntry, field: usize, with: u8) {
    let text = format!("{with}");
    match field {
        0 => entry.number += 1 + u64::from(with),
        1 => entry.at = Timestamp::from_second(i64::from(with)).unwrap(),
        2 => entry.actor.push_str(&text),
        3 => entry.action.push_str(&text),
        4 => entry.subject.insert_str(0, &text),
        5 => entry.detail = format!("{{\"a\":{with}}}"),
        6 => entry.previous = format!("{:064x}", with),
        7 => entry.hash = format!("{:064x}", with),
        _ => entry.signature = format!("{:0128x}", with),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_that_nobody_touched_is_whole(length in 0..12u64) {
        let entries = chain(length);
        let head = Head::of(entries.last(), &key());
        prop_assert_eq!(proof(&bodies(&entries), &head), Ok(length));
    }

    #[test]
    fn any_edited_field_is_found(length in 1..9u64, at in any::<Index>(), field in 0..9usize, with: u8) {
        let mut entries = chain(length);
        let head = Head::of(entries.last(), &key());
        edit(at.get_mut(&mut entries), field, with);
        // The rest of the way an attacker without the key can go: the hashes are made to fit again.
        prop_assert!(proof(&bodies(&entries), &head).is_err());
        let mut previous = GENESIS.to_string();
        for entry in &mut entries {
            entry.previous.clone_from(&previous);
            entry.hash = entry.digest();
            previous.clone_from(&entry.hash);
        }
        if entries != chain(length) {
            prop_assert!(proof(&bodies(&entries), &head).is_err());
        }
    }

    #[test]
    fn any_changed_byte_of_what_is_stored_is_found(length in 1..9u64, at in any::<Index>(), place in any::<Index>(), with in 0x20..0x7fu8) {
        let entries = chain(length);
        let head = Head::of(entries.last(), &key());
        let mut stored = bodies(&entries);
        let body = at.get_mut(&mut stored);
        let mut bytes = body.clone().into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != with && bytes[place].is_ascii());
        bytes[place] = with;
        *body = String::from_utf8(bytes).unwrap();
        prop_assert!(proof(&stored, &head).is_err());
    }

    #[test]
    fn any_missing_entry_is_found(length in 1..9u64, at in any::<Index>()) {
        let mut entries = chain(length);
        let head = Head::of(entries.last(), &key());
        entries.remove(at.index(entries.len()));
        prop_assert!(proof(&bodies(&entries), &head).is_err());
    }

    #[test]
    fn any_cut_end_is_found(length in 1..9u64, keep in any::<Index>()) {
        let entries = chain(length);
        let head = Head::of(entries.last(), &key());
        let kept = &entries[..keep.index(entries.len())];
        prop_assert!(verify(kept, &key().verifying_key()).is_ok(), "the chain alone cannot tell");
        let broken = proof(&bodies(kept), &head).unwrap_err();
        prop_assert!(broken.what.contains("cut off"));
    }

    #[test]
    fn any_two_swapped_entries_are_found(length in 2..9u64, one in any::<Index>(), two in any::<Index>()) {
        let mut entries = chain(length);
        let head = Head::of(entries.last(), &key());
        let (one, two) = (one.index(entries.len()), two.index(entries.len()));
        prop_assume!(one != two);
        entries.swap(one, two);
        prop_assert!(proof(&bodies(&entries), &head).is_err());
    }

    #[test]
    fn any_inserted_entry_is_found(length in 0..9u64, at in any::<Index>(), copied: bool) {
        let entries = chain(length);
        let head = Head::of(entries.last(), &key());
        let at = at.index(entries.len() + 1);
        let previous = if at == 0 { GENESIS.to_string() } else { entries[at - 1].hash.clone() };
        let stranger = SigningKey::from_bytes(&[9; 32]);
        let inserted = match entries.get(at) {
            Some(entry) if copied => entry.clone(),
            _ => AuditEntry::sign(at as u64 + 1, &previous, draft(99), &stranger),
        };
        let mut more = entries.clone();
        more.insert(at, inserted);
        prop_assert!(proof(&bodies(&more), &head).is_err());
    }

    #[test]
    fn a_head_that_is_older_forged_or_missing_is_found(length in 2..9u64, older in any::<Index>(), with in any::<[u8; 32]>()) {
        let entries = chain(length);
        let public = key().verifying_key();
        let older = older.index(entries.len() - 1);
        let old = Head::of(older.checked_sub(1).map(|last| &entries[last]), &key());
        prop_assert!(verify_with_head(&entries, Some(&old), &public).is_err());
        prop_assume!(with != [7; 32]);
        let forged = Head::of(entries.last(), &SigningKey::from_bytes(&with));
        prop_assert!(verify_with_head(&entries, Some(&forged), &public).is_err());
        prop_assert!(verify_with_head(&entries, None, &public).is_err());
    }
}

#[test]
fn a_signature_written_in_another_way_is_found() {
    let mut entries = chain(3);
    let head = Head::of(entries.last(), &key());
    entries[1].signature = entries[1].signature.to_uppercase();
    assert!(proof(&bodies(&entries), &head).is_err());
}

#[test]
fn an_entry_by_another_key_at_the_end_is_found() {
    let mut entries = chain(3);
    let head = Head::of(entries.last(), &key());
    let stranger = SigningKey::from_bytes(&[9; 32]);
    entries.push(AuditEntry::sign(
        4,
        &entries[2].hash.clone(),
        draft(4),
        &stranger,
    ));
    let broken = proof(&bodies(&entries), &head).unwrap_err();
    assert_eq!(broken.number, 4);
    assert!(
        broken.to_string().contains("not signed with the key"),
        "{broken}"
    );
}

async fn append(chain: &mut Chain, store: &Store, number: u64) -> Result<(), ChainError> {
    let Draft {
        at,
        actor,
        action,
        subject,
        detail,
    } = draft(number);
    chain
        .append(store, at, &actor, &action, &subject, detail)
        .await
}

async fn written(folder: &Path, entries: u64) -> Store {
    let store = Store::open(folder).await.unwrap();
    let mut chain = Chain::open(&store).await.unwrap();
    for number in 1..=entries {
        append(&mut chain, &store, number).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_chain_goes_on_after_it_is_opened_again_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), 3).await.close().await;
    let store = written(folder.path(), 2).await;
    let verified = verify_store(&store).await.unwrap().unwrap();
    assert_eq!(verified.count, 5);
    let entries = parse(&store.audit_entries().await.unwrap()).unwrap();
    assert_eq!(entries[4].hash, verified.head);
    assert_eq!(entries[0].detail, draft(1).detail.to_string());
    for (name, mode) in [("audit.key", 0o600), ("audit.head", 0o600)] {
        let file = fs::metadata(folder.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn a_log_that_never_began_is_not_called_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    assert!(matches!(
        verify_store(&store).await,
        Err(ChainError::NotBegun)
    ));
    Chain::open(&store).await.unwrap();
    assert_eq!(verify_store(&store).await.unwrap().unwrap().count, 0);
}

#[tokio::test]
async fn a_crash_between_the_entry_and_the_head_is_mended() {
    for entries in [1, 4] {
        let folder = tempfile::tempdir().unwrap();
        let store = written(folder.path(), entries - 1).await;
        let head = folder.path().join("audit.head");
        let before = fs::read(&head).unwrap();
        let mut chain = Chain::open(&store).await.unwrap();
        append(&mut chain, &store, entries).await.unwrap();
        let after = fs::read(&head).unwrap();
        fs::write(&head, &before).unwrap();
        assert_eq!(verify_store(&store).await.unwrap().unwrap().count, entries);
        Chain::open(&store).await.unwrap();
        assert_eq!(fs::read(&head).unwrap(), after);
    }
}

#[tokio::test]
async fn an_entry_whose_append_was_given_up_is_found_again_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), 2).await;
    let mut behind = Chain::open(&store).await.unwrap();
    let mut other = Chain::open(&store).await.unwrap();
    append(&mut other, &store, 3).await.unwrap();
    append(&mut behind, &store, 4).await.unwrap();
    assert_eq!(verify_store(&store).await.unwrap().unwrap().count, 4);
}

#[tokio::test]
async fn when_the_head_cannot_be_written_no_second_entry_is_taken_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), 2).await;
    let mut chain = Chain::open(&store).await.unwrap();
    // A folder where the new head would be prepared.
    let obstacle = folder.path().join("audit.part");
    fs::create_dir(&obstacle).unwrap();
    assert!(matches!(
        append(&mut chain, &store, 3).await,
        Err(ChainError::Head { .. })
    ));
    assert!(matches!(
        append(&mut chain, &store, 4).await,
        Err(ChainError::Head { .. })
    ));
    assert_eq!(verify_store(&store).await.unwrap().unwrap().count, 3);
    fs::remove_dir(&obstacle).unwrap();
    append(&mut chain, &store, 4).await.unwrap();
    assert_eq!(verify_store(&store).await.unwrap().unwrap().count, 4);
}

#[tokio::test]
async fn a_store_whose_log_was_tampered_with_is_refused_until_a_person_looks() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), 5).await;
    store.close().await;
    let whole = fs::read(folder.path().join("store.db")).unwrap();
    let tamper = [
        "DELETE FROM audit WHERE number = 5",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
        "UPDATE audit SET body = replace(body, 'alice', 'mallory') WHERE number = 3",
        "UPDATE audit SET number = CASE number WHEN 2 THEN 30 ELSE number END",
    ];
    for statement in tamper {
        fs::write(folder.path().join("store.db"), &whole).unwrap();
        let status = std::process::Command::new("python3")
            .args(["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"])
            .arg(folder.path().join("store.db"))
            .arg(statement)
            .status()
            .unwrap();
        assert!(status.success());
        let store = Store::open(folder.path()).await.unwrap();
        assert!(verify_store(&store).await.unwrap().is_err(), "{statement}");
        assert!(
            matches!(Chain::open(&store).await, Err(ChainError::Broken(_))),
            "{statement}"
        );
        store.close().await;
    }
}

#[tokio::test]
async fn lost_or_exchanged_keys_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(folder.path(), 2).await;
    let file = |name: &str| folder.path().join(name);
    let (private, public) = (
        fs::read(file("audit.key")).unwrap(),
        fs::read(file("audit.pub")).unwrap(),
    );

    fs::remove_file(file("audit.key")).unwrap();
    assert!(matches!(
        Chain::open(&store).await,
        Err(ChainError::KeyMissing { .. })
    ));
    assert!(
        verify_store(&store).await.unwrap().is_ok(),
        "the public half is enough to verify"
    );
    fs::remove_file(file("audit.pub")).unwrap();
    assert!(matches!(
        verify_store(&store).await,
        Err(ChainError::KeyMissing { .. })
    ));

    fs::write(file("audit.key"), "00".repeat(32)).unwrap();
    fs::write(file("audit.pub"), &public).unwrap();
    assert!(matches!(Chain::open(&store).await, Err(ChainError::Key(_))));
    let stranger = SigningKey::from_bytes(&[0; 32]).verifying_key();
    fs::write(
        file("audit.pub"),
        stranger
            .as_bytes()
            .map(|byte| format!("{byte:02x}"))
            .concat(),
    )
    .unwrap();
    assert!(matches!(
        Chain::open(&store).await,
        Err(ChainError::Broken(_))
    ));

    fs::write(file("audit.key"), &private).unwrap();
    fs::write(file("audit.pub"), &public).unwrap();
    Chain::open(&store).await.unwrap();
}
