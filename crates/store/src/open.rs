//! Opening a store: the folder, the file, the lock and the migrations; every way it can fail has its own error, and
//! none of them deletes anything.

use crate::error::{StoreError, Trouble, message_of};
use crate::key::Key;
use crate::seal::{Seals, proof, proves};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, Sqlite, Transaction};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// SQLite before this version can damage a file in WAL mode.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
/// Name of the database inside the folder.
const DATABASE: &str = "store.db";
const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A handle to an open store; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    // Invariant: exactly one connection, so that writes of this process queue here and not in SQLite's lock.
    writer: SqlitePool,
    readers: SqlitePool,
    seals: Seals,
    // Held, never read: closing the file gives the lock up.
    _lock: Option<File>,
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder could not be made or looked into.
    #[error(
        "the folder {folder} of the store cannot be used; make it, or name another with --store"
    )]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another Homeostasis works in this folder.
    #[error("another Homeostasis{} works in {folder}; stop it first, or name another folder", process(.holder))]
    Locked {
        /// Which folder.
        folder: PathBuf,
        /// Its process id, where it could be read.
        holder: Option<u32>,
    },
    /// The file is damaged or is no database.
    #[error(
        "{file} is damaged or no store ({what}); move it aside to begin with an empty one, or restore it from a backup"
    )]
    Corrupt {
        /// Which file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// Written by a later version of Homeostasis.
    #[error(
        "{file} was written by a newer Homeostasis (its format has step {step}, this one knows {known}); use that version, or name another folder"
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// The migration that is unknown here.
        step: i64,
        /// The latest that is known.
        known: i64,
    },
    /// No room.
    #[error("there is no room on the disk of {folder}; make room and start again")]
    Full {
        /// Which folder.
        folder: PathBuf,
    },
    /// No right to write.
    #[error("{folder} may not be written; give this user write access, or name another folder")]
    ReadOnly {
        /// Which folder.
        folder: PathBuf,
    },
    /// The SQLite that was linked has a known fault.
    #[error(
        "SQLite {found} can damage the store, 3.51.3 or later is needed; build with the bundled SQLite"
    )]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// Its values are sealed, and no key was given.
    #[error(
        "{file} is encrypted with the key {name}, and no key was given; give it with --key-file, HOMEOSTASIS_KEY, or `key_file` below [store] in homeostasis.toml"
    )]
    NoKey {
        /// Which file.
        file: PathBuf,
        /// Name of the key that is needed.
        name: String,
    },
    /// Its values are sealed with another key.
    #[error(
        "{file} is encrypted with the key {name}, and the one that was given is {given}; give the right one, or name another folder for a new store"
    )]
    WrongKey {
        /// Which file.
        file: PathBuf,
        /// Name of the key that is needed.
        name: String,
        /// Name of the key that was given.
        given: String,
    },
    /// A change of the key was begun and not finished.
    #[error(
        "the key of {file} was being changed from {old} to {new}, and that was not finished; run `homeostasis key rotate` with the files of these keys again"
    )]
    KeyChanging {
        /// Which file.
        file: PathBuf,
        /// Name of the key before.
        old: String,
        /// Name of the key to come.
        new: String,
    },
    /// There is no key to be changed.
    #[error("{file} is not encrypted yet; `homeostasis key seal` does it with a first key")]
    NotSealed {
        /// Which file.
        file: PathBuf,
    },
    /// Anything else.
    #[error("{file} cannot be opened")]
    Failed {
        /// Which file.
        file: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What an opened store is to be read and written with.
#[derive(Clone, Copy)]
pub(crate) enum Unlock<'a> {
    /// The key that it is sealed with, if it is.
    With(Option<&'a Key>),
    /// The same, and a store that is plain is sealed with it from now on.
    Adopt(Option<&'a Key>),
    /// One key and the one that comes after it.
    Change { old: &'a Key, new: &'a Key },
}

/// Whether a write must be on disk before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Survives a power loss.
    Full,
    /// Survives the death of this process; the last moments may be lost with the power.
    Process,
}

impl Store {
    /// Opens the store for queries and single writes, beside a process that may hold it exclusively.
    /// Makes the folder (0700) and the file (0600) when they are not there.
    pub async fn open(folder: &Path) -> Result<Store, OpenError> {
        Store::open_with_key(folder, None).await
    }

    /// As [`Store::open`], for a store that may be sealed. A key does nothing to one that is not.
    pub async fn open_with_key(folder: &Path, key: Option<&Key>) -> Result<Store, OpenError> {
        make_folder(folder)?;
        connect(folder, None, Unlock::With(key)).await
    }

    /// Opens the store as the one process that heals from it, and looks through the whole file for damage first.
    /// The lock ends with the last clone of the handle, or with the process.
    pub async fn open_exclusive(folder: &Path) -> Result<Store, OpenError> {
        Store::open_exclusive_with_key(folder, None).await
    }

    /// As [`Store::open_exclusive`]. With a key, values are sealed from now on; those that are plain stay readable.
    pub async fn open_exclusive_with_key(
        folder: &Path,
        key: Option<&Key>,
    ) -> Result<Store, OpenError> {
        Store::open_exclusive_to(folder, Unlock::Adopt(key)).await
    }

    pub(crate) async fn open_exclusive_to(
        folder: &Path,
        unlock: Unlock<'_>,
    ) -> Result<Store, OpenError> {
        make_folder(folder)?;
        let lock = take_lock(folder)?;
        let store = connect(folder, Some(lock), unlock).await?;
        store.look_for_damage().await?;
        Ok(store)
    }

    /// The folder of the store.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Writes everything into the one file and closes it. Other clones can no longer be used.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) fn seals(&self) -> &Seals {
        &self.inner.seals
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// Begins a write. The lock is taken at once, so that what the transaction reads stays true until it commits.
    pub(crate) async fn write(
        &self,
        durability: Durability,
    ) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let mut connection = self.writer_connection().await?;
        // Set each time: a write that was cancelled must not leave its own level behind for the next one.
        let level = match durability {
            Durability::Full => "PRAGMA synchronous = FULL",
            Durability::Process => "PRAGMA synchronous = NORMAL",
        };
        sqlx::query(level).execute(&mut *connection).await?;
        let immediate = "BEGIN IMMEDIATE".into_sql_str();
        Ok(Transaction::begin(connection, Some(immediate)).await?)
    }

    /// The writer without an open transaction. When SQLite itself rolled one back, as it does on a full disk, the
    /// driver still counts it and would refuse to begin another, so such a connection is replaced by a new one.
    pub(crate) async fn writer_connection(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        let mut connection = self.inner.writer.acquire().await?;
        // A rollback that a dropped transaction has queued is done before this answers.
        connection.ping().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        connection.close().await?;
        Ok(self.inner.writer.acquire().await?)
    }

    async fn look_for_damage(&self) -> Result<(), OpenError> {
        let file = self.inner.folder.join(DATABASE);
        let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_all(self.readers())
            .await
            .map_err(|error| open_error(&self.inner.folder, error))?;
        match found.first().map(String::as_str) {
            Some("ok") => Ok(()),
            Some(what) => Err(OpenError::Corrupt {
                file,
                what: what.replace('\n', " "),
            }),
            None => Err(OpenError::Corrupt {
                file,
                what: "the check gave no answer".to_string(),
            }),
        }
    }
}

async fn connect(
    folder: &Path,
    lock: Option<File>,
    unlock: Unlock<'_>,
) -> Result<Store, OpenError> {
    let file = folder.join(DATABASE);
    make_file(folder, &file)?;
    // Two processes that open a new store at once must not both run the migrations.
    let opening = open_lock_file(folder, "opening")?;
    let (held, waited) = tokio::task::spawn_blocking(move || {
        let waited = opening.lock();
        (opening, waited)
    })
    .await
    .map_err(|error| failed(&file, error))?;
    waited.map_err(|source| folder_error(folder, source))?;

    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // Room that becomes free holds nothing of what was there.
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(Duration::from_secs(60))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    // That free room can be given back in steps must be said before there is anything, and writes when said again.
    let is_new = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    let first = match is_new {
        true => options.clone().auto_vacuum(SqliteAutoVacuum::Incremental),
        false => options.clone(),
    };
    let writer = pool()
        .max_connections(1)
        .connect_with(first)
        .await
        .map_err(|error| open_error(folder, error))?;
    check_version(&writer, folder).await?;
    MIGRATIONS
        .run(&writer)
        .await
        .map_err(|error| migrate_error(folder, error))?;
    let seals = seals(&writer, folder, unlock).await?;
    let readers = pool()
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "1"))
        .await
        .map_err(|error| open_error(folder, error))?;
    drop(held);
    Ok(Store {
        inner: Arc::new(Inner {
            folder: folder.to_path_buf(),
            writer,
            readers,
            seals,
            _lock: lock,
        }),
    })
}

/// Finds out which of the keys given have which numbers here. The lock on opening is held meanwhile.
async fn seals(writer: &SqlitePool, folder: &Path, unlock: Unlock<'_>) -> Result<Seals, OpenError> {
    let known: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as("SELECT number, name, proof FROM keys ORDER BY number")
            .fetch_all(writer)
            .await
            .map_err(|error| open_error(folder, error))?;
    let file = folder.join(DATABASE);
    let wrong = |name: &str, given: &Key| OpenError::WrongKey {
        file: folder.join(DATABASE),
        name: name.to_string(),
        given: given.name(),
    };
    match (unlock, known.as_slice()) {
        (Unlock::With(_) | Unlock::Adopt(None), []) => Ok(Seals::default()),
        (Unlock::Adopt(Some(key)), []) => {
            add_key(writer, folder, 1, key).await?;
            Ok(Seals::of(&[(1, key)]))
        }
        (Unlock::With(None) | Unlock::Adopt(None), [(_, name, _)]) => Err(OpenError::NoKey {
            file,
            name: name.clone(),
        }),
        (Unlock::With(Some(key)) | Unlock::Adopt(Some(key)), [(number, name, proof)]) => {
            if proves(key, *number, proof) {
                Ok(Seals::of(&[(*number, key)]))
            } else {
                Err(wrong(name, key))
            }
        }
        (Unlock::With(_) | Unlock::Adopt(_), [(_, old, _), .., (_, new, _)]) => {
            Err(OpenError::KeyChanging {
                file,
                old: old.clone(),
                new: new.clone(),
            })
        }
        (Unlock::Change { .. }, []) => Err(OpenError::NotSealed { file }),
        (Unlock::Change { old, new }, [(number, name, proof)]) => {
            if proves(old, *number, proof) {
                add_key(writer, folder, number + 1, new).await?;
                Ok(Seals::of(&[(*number, old), (number + 1, new)]))
            } else if proves(new, *number, proof) {
                Ok(Seals::of(&[(*number, new)]))
            } else {
                Err(wrong(name, old))
            }
        }
        (Unlock::Change { old, new }, [first, .., last]) => {
            if !proves(old, first.0, &first.2) {
                Err(wrong(&first.1, old))
            } else if !proves(new, last.0, &last.2) {
                Err(wrong(&last.1, new))
            } else {
                Ok(Seals::of(&[(first.0, old), (last.0, new)]))
            }
        }
    }
}

async fn add_key(
    writer: &SqlitePool,
    folder: &Path,
    number: i64,
    key: &Key,
) -> Result<(), OpenError> {
    let proof = proof(key, number).ok_or_else(|| {
        let why = io::Error::other("the system gave no random numbers");
        failed(&folder.join(DATABASE), why)
    })?;
    sqlx::query("INSERT INTO keys (number, name, proof) VALUES ($1, $2, $3)")
        .bind(number)
        .bind(key.name())
        .bind(proof)
        .execute(writer)
        .await
        .map_err(|error| open_error(folder, error))?;
    Ok(())
}

async fn check_version(pool: &SqlitePool, folder: &Path) -> Result<(), OpenError> {
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await
        .map_err(|error| open_error(folder, error))?;
    let mut numbers = found.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite { found });
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let is_new = !folder.exists();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| folder_error(folder, source))?;
    if is_new {
        keep_out_of_git(folder);
    }
    Ok(())
}

/// The store often lies in the program's own repository, and holds keys; a folder that was there before is left alone.
fn keep_out_of_git(folder: &Path) {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(".gitignore"))
        .and_then(|mut file| file.write_all(b"*\n"));
    if let Err(error) = written {
        tracing::warn!(folder = %folder.display(), %error, "the store could not be kept out of git");
    }
}

/// Makes the database file before SQLite does, so that nobody else can read it for even a moment.
fn make_file(folder: &Path, file: &Path) -> Result<(), OpenError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
    {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let loose = file
                .metadata()
                .is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
            if loose
                && let Err(error) = std::fs::set_permissions(file, Permissions::from_mode(0o600))
            {
                tracing::warn!(file = %file.display(), %error, "the store can be read by others");
            }
            Ok(())
        }
        Err(source) => Err(folder_error(folder, source)),
    }
}

fn open_lock_file(folder: &Path, name: &str) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(name))
        .map_err(|source| folder_error(folder, source))
}

fn take_lock(folder: &Path) -> Result<File, OpenError> {
    let mut file = open_lock_file(folder, "lock")?;
    match file.try_lock() {
        Ok(()) => {
            // The process id is only there to be told to people; the lock does not rest on it.
            let written = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
            written.map_err(|source| folder_error(folder, source))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file
                .read_to_string(&mut text)
                .ok()
                .and_then(|_| text.trim().parse().ok());
            Err(OpenError::Locked {
                folder: folder.to_path_buf(),
                holder,
            })
        }
        Err(TryLockError::Error(source)) => Err(folder_error(folder, source)),
    }
}

fn folder_error(folder: &Path, source: io::Error) -> OpenError {
    let folder = folder.to_path_buf();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { folder }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::Full { folder },
        _ => OpenError::Folder { folder, source },
    }
}

fn open_error(folder: &Path, error: sqlx::Error) -> OpenError {
    let trouble = Trouble::of(&error);
    let what = message_of(&error);
    named(folder, trouble, what, error.into())
}

fn migrate_error(folder: &Path, error: MigrateError) -> OpenError {
    if let MigrateError::VersionMissing(step) = error {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max();
        return OpenError::Newer {
            file: folder.join(DATABASE),
            step,
            known: known.unwrap_or(0),
        };
    }
    let trouble = Trouble::of_migration(&error);
    let what = error.to_string();
    named(folder, trouble, what, error.into())
}

fn named(
    folder: &Path,
    trouble: Trouble,
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> OpenError {
    let file = folder.join(DATABASE);
    let folder = folder.to_path_buf();
    match trouble {
        Trouble::Full => OpenError::Full { folder },
        Trouble::ReadOnly => OpenError::ReadOnly { folder },
        Trouble::Corrupt => OpenError::Corrupt { file, what },
        Trouble::Busy => OpenError::Locked {
            folder,
            holder: None,
        },
        Trouble::Other => OpenError::Failed { file, source },
    }
}

fn failed(file: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::Failed {
        file: file.to_path_buf(),
        source: source.into(),
    }
}

fn process(holder: &Option<u32>) -> String {
    match holder {
        Some(pid) => format!(" (process {pid})"),
        None => String::new(),
    }
}
