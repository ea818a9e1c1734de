//! Opening: what is made, with which rights, and each way it can be refused; nothing is ever deleted.

use crate::child;
use crate::samples::event;
use homeostasis_store::{OpenError, Store, StoreError};
use sqlx::{ConnectOptions, Connection};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A store with some hundred kilobytes in it, closed.
async fn filled(folder: &Path) {
    let store = Store::open(folder).await.unwrap();
    for number in 0..60 {
        let event = event(&format!("e{number}"), &format!("f{number}"), number);
        store.record_event(&event).await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn a_folder_that_is_made_is_kept_out_of_git_and_one_that_was_there_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made");
    Store::open(&folder).await.unwrap().close().await;
    assert_eq!(
        fs::read_to_string(folder.join(".gitignore")).unwrap(),
        "*\n"
    );
    let folder = parent.path().join("there");
    fs::create_dir(&folder).unwrap();
    Store::open(&folder).await.unwrap().close().await;
    assert!(!folder.join(".gitignore").exists());
}

#[tokio::test]
async fn the_folder_and_its_files_are_for_their_owner_only() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let store = Store::open_exclusive(&folder).await.unwrap();
    store.record_event(&event("e", "f", 0)).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_string());
    }
    assert!(names.contains(&"store.db".to_string()) && names.contains(&"store.db-wal".to_string()));
}

#[tokio::test]
async fn a_file_that_others_could_read_is_closed_to_them() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let file = folder.path().join("store.db");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    Store::open(folder.path()).await.unwrap();
    assert_eq!(mode(&file), 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let text = "this is a letter, and not a short one. ".repeat(200);
    fs::write(&file, &text).unwrap();
    for error in [
        Store::open(folder.path()).await.unwrap_err(),
        Store::open_exclusive(folder.path()).await.unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
        let told = error.to_string();
        assert!(
            told.contains("store.db") && told.contains("move it aside"),
            "{told}"
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn damage_anywhere_in_the_file_is_an_error_or_harmless_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let file = folder.path().join("store.db");
    let whole = fs::read(&file).unwrap();
    let pages = whole.len() / 4096;
    let mut refused = 0;
    for page in 0..pages {
        let mut damaged = whole.clone();
        damaged[page * 4096..page * 4096 + 512].fill(0xa5);
        fs::write(&file, &damaged).unwrap();
        match Store::open_exclusive(folder.path()).await {
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(error) => panic!("page {page}: {error:?}"),
            // Overflow pages hold only content, which is checked when it is read.
            Ok(store) => {
                let incidents = store.incidents().await.unwrap();
                for summary in incidents {
                    match store.events_of(&summary.incident.id, 100).await {
                        Ok(_) | Err(StoreError::Corrupt { .. } | StoreError::Unreadable { .. }) => {
                        }
                        Err(error) => panic!("page {page}: {error:?}"),
                    }
                }
                store.close().await;
            }
        }
        let _ = fs::remove_file(folder.path().join("store.db-wal"));
        let _ = fs::remove_file(folder.path().join("store.db-shm"));
    }
    assert!(refused > pages / 4, "{refused} of {pages} pages");
}

#[tokio::test]
async fn a_file_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let file = folder.path().join("store.db");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let error = Store::open_exclusive(folder.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::metadata(&file).unwrap().len() as usize, whole.len() / 2);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let file = folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { step: 999, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer Homeostasis"));
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_told_as_such() {
    // Root may write everywhere, so an ordinary user tries it, with a copy of this binary that it may run.
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = parent.path().join("child");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let folder = parent.path().join("store");
    filled(&folder).await;
    for entry in fs::read_dir(&folder).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::metadata(&folder)
        .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
    for target in [folder.clone(), parent.path().join("not/there")] {
        fs::set_permissions(parent.path(), Permissions::from_mode(0o555)).unwrap();
        let mut command = child::command_of(&binary, "says_why_it_cannot_open", &target);
        if is_root {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("may not be written; give this user write access"),
            "{text}"
        );
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_file_where_the_folder_should_be_is_told_as_such() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("file");
    fs::write(&path, "x").unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_new_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut openers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let folder = folder.path().to_path_buf();
        openers.spawn(async move {
            Store::open(&folder)
                .await
                .unwrap()
                .incidents()
                .await
                .unwrap()
                .len()
        });
    }
    assert_eq!(openers.join_all().await, [0; 8]);
}

#[tokio::test]
async fn the_lock_ends_with_the_last_clone_of_the_handle() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_exclusive(folder.path()).await.unwrap();
    let clone = store.clone();
    drop(store);
    let error = Store::open_exclusive(folder.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(clone);
    Store::open_exclusive(folder.path()).await.unwrap();
}
