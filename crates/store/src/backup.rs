//! A consistent copy of any SQLite database while its owner uses it, for trials on the program's data; not a backup
//! of the store itself.
//!
//! SQLite reads all pages in one read transaction, so the copy is what one reader would have seen, with its WAL
//! included and with its page layout, row ids and journal mode kept (which `VACUUM INTO` does not do). In WAL mode
//! this holds nobody up. In the rollback modes writers of the program wait for as long as the read takes (measured:
//! 6 to 16 ms for each MiB on a busy machine), so what is copied then is limited to what they will not notice.
//! The source is opened read-only and is never changed.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The largest database in WAL mode that is copied, in bytes; it is held in memory meanwhile.
pub const LARGEST_COPY: u64 = 256 * 1024 * 1024;
/// The largest one in another journal mode, whose writers wait for the copy.
pub const LARGEST_BLOCKING_COPY: u64 = 16 * 1024 * 1024;

/// How long a moment without a writer is waited for; waiting holds nobody up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a database was not copied. There is no partial copy.
#[derive(Debug, Error)]
pub enum BackupError {
    /// Too large to copy without holding up the program.
    #[error(
        "{file} has {bytes} bytes, more than the {limit} that are copied beside a running program \
         in journal mode {mode}"
    )]
    TooLarge {
        /// Which file.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest that would be copied.
        limit: u64,
        /// Its journal mode.
        mode: String,
    },
    /// SQLite could not read it.
    #[error("{file} cannot be read as a SQLite database")]
    Source {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The copy could not be written.
    #[error("the copy {file} cannot be written")]
    Target {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The source could not be looked at.
    #[error("{file} cannot be opened")]
    Missing {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Copies the database `from` to `to`, which appears whole or not at all and replaces what was there.
pub async fn backup_sqlite(from: &Path, to: &Path) -> Result<(), BackupError> {
    let metadata = fs::metadata(from).map_err(|source| BackupError::Missing {
        file: from.to_path_buf(),
        source,
    })?;
    let broken = |source| BackupError::Source {
        file: from.to_path_buf(),
        source,
    };
    let mut connection = connect(from).await.map_err(broken)?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .map_err(broken)?;
    let limit = match mode.as_str() {
        "wal" => LARGEST_COPY,
        _ => LARGEST_BLOCKING_COPY,
    };
    if metadata.len() > limit {
        return Err(BackupError::TooLarge {
            file: from.to_path_buf(),
            bytes: metadata.len(),
            limit,
            mode,
        });
    }
    let bytes = read_database(&mut connection).await.map_err(broken)?;
    connection.close().await.map_err(broken)?;
    let target = to.to_path_buf();
    let permissions = metadata.permissions();
    let written = tokio::task::spawn_blocking(move || write_whole(&target, &bytes, permissions))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    written.map_err(|source| BackupError::Target {
        file: to.to_path_buf(),
        source,
    })
}

async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .create_if_missing(false)
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
        .connect()
        .await?;
    // A first read makes SQLite look at the header, so that a file of another kind is refused as such.
    sqlx::query("SELECT COUNT(*) FROM sqlite_master")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

async fn read_database(connection: &mut SqliteConnection) -> Result<Vec<u8>, sqlx::Error> {
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut *connection)
        .await?;
    // An empty file is a database too, but has nothing that could be serialized.
    match pages {
        0 => Ok(Vec::new()),
        _ => Ok(connection.serialize(None).await?.to_vec()),
    }
}

fn write_whole(target: &Path, bytes: &[u8], permissions: Permissions) -> io::Result<()> {
    let mut name = target.as_os_str().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_permissions(permissions)
    });
    written
        .and_then(|()| fs::rename(&part, target))
        .inspect_err(|_| {
            // The first error is the one to tell; a rest that cannot be removed either is only clutter.
            let _ = fs::remove_file(&part);
        })
}
