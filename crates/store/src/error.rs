//! What can go wrong with a store that is open, told apart by what a person has to do; not the errors of opening it.

use sqlx::migrate::MigrateError;
use std::fmt::Display;
use thiserror::Error;

/// A query or a write that did not work. Nothing was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error(
        "the disk of the store is full; make room there, nothing was lost and the next write works again"
    )]
    Full,
    /// The file may not be written.
    #[error("the store may not be written; give this user write access to its folder")]
    ReadOnly,
    /// The file is damaged.
    #[error(
        "the store is damaged ({what}); move its folder aside, or restore store.db from a backup"
    )]
    Corrupt {
        /// What SQLite said.
        what: String,
    },
    /// Another process kept the file locked for too long.
    #[error("the store stayed locked by another process; end that process or try again")]
    Busy,
    /// A row does not hold what this version writes.
    #[error("{what} in the store cannot be read: {why}")]
    Unreadable {
        /// Which kind of row.
        what: String,
        /// Why not.
        why: String,
    },
    /// The value is sealed, and its key is not at hand.
    #[error(
        "the {what} is encrypted with a key that was not given; give it with --key-file or HOMEOSTASIS_KEY"
    )]
    Sealed {
        /// Whose value.
        what: String,
    },
    /// The value is sealed with a key that is at hand and does not open.
    #[error(
        "the {what} does not open: it was changed, cut, or put into another row; restore store.db from a backup"
    )]
    Altered {
        /// Whose value.
        what: String,
    },
    /// A value that cannot be written so that it reads back.
    #[error("{what} cannot be stored so that it reads back: {why}")]
    Unstorable {
        /// Which kind of value.
        what: String,
        /// Why not.
        why: String,
    },
    /// Anything else from the database.
    #[error("the store's database failed")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    pub(crate) fn unreadable(what: impl Into<String>, why: impl Display) -> Self {
        StoreError::Unreadable {
            what: what.into(),
            why: why.to_string(),
        }
    }

    pub(crate) fn unstorable(what: impl Into<String>, why: impl Display) -> Self {
        StoreError::Unstorable {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match Trouble::of(&error) {
            Trouble::Full => StoreError::Full,
            Trouble::ReadOnly => StoreError::ReadOnly,
            Trouble::Corrupt => StoreError::Corrupt {
                what: message_of(&error),
            },
            Trouble::Busy => StoreError::Busy,
            Trouble::Other => StoreError::Database(error),
        }
    }
}

/// SQLite's result codes, by what a person has to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Full,
    ReadOnly,
    Corrupt,
    Busy,
    Other,
}

impl Trouble {
    pub(crate) fn of(error: &sqlx::Error) -> Trouble {
        let code: Option<u32> = error
            .as_database_error()
            .and_then(|error| error.code())
            .and_then(|code| code.parse().ok());
        let Some(code) = code else {
            return Trouble::Other;
        };
        // The extended codes 4874 (SHMSIZE) and 778 (WRITE) of IOERR are what a full disk gives while the shared
        // memory file grows or past a file size limit, and 522 (SHORT_READ) what a page beyond the end of the file
        // gives; the primary code is in the low byte.
        match (code, code & 0xff) {
            (4874 | 778, _) | (_, 13) => Trouble::Full,
            (522, _) => Trouble::Corrupt,
            (_, 8) => Trouble::ReadOnly,
            (_, 11 | 26) => Trouble::Corrupt,
            (_, 5 | 6) => Trouble::Busy,
            _ => Trouble::Other,
        }
    }

    pub(crate) fn of_migration(error: &MigrateError) -> Trouble {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                Trouble::of(error)
            }
            _ => Trouble::Other,
        }
    }
}

pub(crate) fn message_of(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(database) => database.message().to_string(),
        None => error.to_string(),
    }
}
