//! Copies of other programs' databases: consistent while they are written to, in every journal mode, and never a
//! change of the source.

use homeostasis_store::{BackupError, backup_sqlite};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

async fn connect(file: &Path, mode: SqliteJournalMode) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(mode);
    options.connect().await.unwrap()
}

async fn sums(file: &Path) -> (i64, i64, String) {
    let mut copy = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut copy)
        .await
        .unwrap();
    let (left, right) = sqlx::query_as(
        "SELECT (SELECT SUM(amount) FROM debit) AS a, (SELECT SUM(amount) FROM credit) AS b",
    )
    .fetch_one(&mut copy)
    .await
    .unwrap();
    copy.close().await.unwrap();
    (left, right, check)
}

/// A writer moves money between two tables all the while; every copy must balance, and no write may fail.
async fn copies_balance_while_written_to(mode: SqliteJournalMode) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program.db");
    let mut setup = connect(&file, mode).await;
    sqlx::raw_sql("CREATE TABLE debit (amount BIGINT); CREATE TABLE credit (amount BIGINT, note TEXT); INSERT INTO debit VALUES (0); INSERT INTO credit VALUES (0, '')")
        .execute(&mut setup)
        .await
        .unwrap();
    setup.close().await.unwrap();
    let (stop, writes) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let writer = tokio::spawn({
        let (file, stop, writes) = (file.clone(), stop.clone(), writes.clone());
        async move {
            let mut connection = connect(&file, mode).await;
            while !stop.load(Ordering::Relaxed) {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
                sqlx::query("INSERT INTO debit VALUES (1)")
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                sqlx::query("INSERT INTO credit VALUES (1, $1)")
                    .bind("n".repeat(3000))
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
                writes.fetch_add(1, Ordering::Relaxed);
                // In the rollback modes a writer without any pause can keep every reader out.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
    let mut latest = 0;
    for round in 0..12 {
        let before = writes.load(Ordering::Relaxed) as i64;
        let copy = folder.path().join(format!("copy-{round}.db"));
        backup_sqlite(&file, &copy).await.unwrap();
        let (debit, credit, check) = sums(&copy).await;
        assert_eq!((debit, check.as_str()), (credit, "ok"));
        assert!(
            debit >= before && debit >= latest,
            "{debit} is older than {before}"
        );
        latest = debit;
        while writes.load(Ordering::Relaxed) as i64 <= latest {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_copy_is_consistent_in_wal_mode() {
    copies_balance_while_written_to(SqliteJournalMode::Wal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_copy_is_consistent_in_rollback_mode() {
    copies_balance_while_written_to(SqliteJournalMode::Delete).await;
}

#[tokio::test]
async fn the_source_is_not_changed_and_the_copy_has_its_rights() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("program.db");
    let mut source = connect(&file, SqliteJournalMode::Delete).await;
    sqlx::raw_sql("CREATE TABLE t (v TEXT COLLATE NOCASE); INSERT INTO t VALUES ('a'), ('b'); DELETE FROM t WHERE v = 'a'")
        .execute(&mut source)
        .await
        .unwrap();
    source.close().await.unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let copy = folder.path().join("copy.db");
    std::fs::write(&copy, "an older copy").unwrap();
    backup_sqlite(&file, &copy).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "nothing else is left behind");
}

#[tokio::test]
async fn what_is_no_database_or_not_there_is_refused_without_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let letter = folder.path().join("letter.db");
    std::fs::write(&letter, "a letter. ".repeat(500)).unwrap();
    let error = backup_sqlite(&letter, &copy).await.unwrap_err();
    assert!(matches!(error, BackupError::Source { .. }), "{error:?}");
    let error = backup_sqlite(&folder.path().join("nothing.db"), &copy)
        .await
        .unwrap_err();
    assert!(matches!(error, BackupError::Missing { .. }), "{error:?}");
    assert!(!copy.exists());
}

#[tokio::test]
async fn an_empty_file_is_a_database_without_tables() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("new.db"), folder.path().join("copy.db"));
    std::fs::write(&file, "").unwrap();
    backup_sqlite(&file, &copy).await.unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), b"");
}

#[tokio::test]
async fn a_database_whose_writers_would_wait_long_is_not_copied() {
    use homeostasis_store::backup::{LARGEST_BLOCKING_COPY, LARGEST_COPY};
    let modes = [
        (SqliteJournalMode::Delete, LARGEST_BLOCKING_COPY),
        (SqliteJournalMode::Wal, LARGEST_COPY),
    ];
    for (mode, expected) in modes {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (
            folder.path().join("large.db"),
            folder.path().join("copy.db"),
        );
        let mut connection = connect(&file, mode).await;
        sqlx::raw_sql("CREATE TABLE t (v TEXT)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        // A hole at the end makes it large without writing it.
        let handle = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        handle.set_len(expected + 4096).unwrap();
        let error = backup_sqlite(&file, &copy).await.unwrap_err();
        assert!(
            matches!(error, BackupError::TooLarge { limit, .. } if limit == expected),
            "{error:?}"
        );
        assert!(!copy.exists());
    }
}
