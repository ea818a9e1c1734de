//! Parts of tests that run in a process of their own: this same test binary, told by the environment what to do.

use crate::samples::{at, opened};
use homeostasis_domain::{HealId, IncidentId};
use homeostasis_store::{Key, OpenError, Resealed, Retention, Store};
use jiff::Timestamp;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDER: &str = "HOMEOSTASIS_STORE_TEST_FOLDER";

/// The command that runs one of the tests below in `folder`; what it prints goes to standard output.
pub(crate) fn command(test: &str, folder: &Path) -> Command {
    command_of(&std::env::current_exe().unwrap(), test, folder)
}

/// The same with a copy of this binary.
pub(crate) fn command_of(binary: &Path, test: &str, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args([
            "--exact",
            &format!("child::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn appends_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let store = Store::open_exclusive(&folder).await.unwrap();
    for number in 1.. {
        let incident = IncidentId::new(format!("{number:08x}"));
        let heal = HealId::of(&incident, 1);
        store
            .append(&heal, 1, at(number), &opened(&incident, "e"))
            .await
            .unwrap();
        say(&format!("\nacknowledged {heal}"));
    }
}

#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn holds_the_lock_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let _store = Store::open_exclusive(&folder).await.unwrap();
    say("\nheld");
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn says_why_it_cannot_open() {
    let Some(folder) = folder() else { return };
    match Store::open(&folder).await {
        Ok(_) => say("\nopened"),
        Err(error @ OpenError::ReadOnly { .. }) => say(&format!("\nread-only: {error}")),
        Err(error @ OpenError::Full { .. }) => say(&format!("\nfull: {error}")),
        Err(error) => say(&format!("\nother: {error:?}")),
    }
}

/// Fills a small disk through the store, sees the error, makes room, and appends again.
#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn fills_the_disk_and_goes_on_when_there_is_room() {
    use homeostasis_store::{AppendError, StoreError};
    let Some(folder) = folder() else { return };
    let ballast = folder.join("ballast");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let store = Store::open(&folder).await.unwrap();
    let mut written = Vec::new();
    let error = loop {
        let incident = IncidentId::new(format!("{:08x}", written.len()));
        let heal = HealId::of(&incident, 1);
        let source = "e".repeat(20_000);
        match store
            .append(&heal, 1, at(0), &opened(&incident, &source))
            .await
        {
            Ok(entry) => written.push(entry),
            Err(error) => break error,
        }
        assert!(written.len() < 10_000, "the disk never became full");
    };
    assert!(
        matches!(error, AppendError::Store(StoreError::Full)),
        "{error:?}"
    );
    let blob = store
        .put_blob(&HealId::new("h"), &vec![7; 400_000])
        .await
        .unwrap_err();
    assert!(matches!(blob, StoreError::Full), "{blob:?}");
    for entry in &written {
        assert_eq!(
            store.log(&entry.heal).await.unwrap(),
            std::slice::from_ref(entry)
        );
    }
    std::fs::remove_file(&ballast).unwrap();
    let incident = IncidentId::new("ffffffff");
    let heal = HealId::of(&incident, 1);
    store
        .append(&heal, 1, at(1), &opened(&incident, "e"))
        .await
        .unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), written.len() + 1);
    store.close().await;
    let store = Store::open_exclusive(&folder).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), written.len() + 1);
    say(&format!(
        "\nwrote {} entries, was told of the full disk, and went on",
        written.len()
    ));
}

#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn seals_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let key = Key::read(&folder.join("key")).unwrap();
    let store = Store::open_exclusive_with_key(&folder, Some(&key))
        .await
        .unwrap();
    let mut last = 0;
    let told = |progress: Resealed| {
        // Each line is one transaction.
        say(&format!("\nsealed {}", progress.done - last));
        last = progress.done;
    };
    store.seal_all(told).await.unwrap();
    say("\ndone");
}

#[tokio::test]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn changes_the_key_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let old = Key::read(&folder.join("key")).unwrap();
    let new = Key::read(&folder.join("new")).unwrap();
    Store::change_key(&folder, &old, &new, |_| say("\nsealed"))
        .await
        .unwrap();
    say("\ndone");
}

/// Prunes again and again what another task brings in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of other tests, which start it as a process of its own"]
async fn prunes_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let store = Store::open_exclusive(&folder).await.unwrap();
    let writer = store.clone();
    // Names that no earlier process has used.
    let first = std::process::id() * 1000;
    let filling = tokio::spawn(async move { crate::retention::fill(&writer, first..).await });
    let retention = Retention::default();
    while !filling.is_finished() {
        let pruned = store
            .prune(&retention, retention.age(), Timestamp::now(), &|_| false)
            .await
            .unwrap();
        if !pruned.is_nothing() {
            say(&format!("\npruned {}", pruned.incidents));
        }
    }
}
