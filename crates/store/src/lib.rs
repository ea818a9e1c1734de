//! The heal log and the read models in one SQLite file, durable and readable by many; not a queue, not a cache.
//!
//! Guarantees: what [`Store::append`] returned is on disk and survives `kill -9` and power loss; the read model of a
//! heal is written in the transaction that appends to its log, so it is always the fold of that log; nothing is ever
//! deleted except old events beyond the latest of an incident, and traffic of more than a day ago.
//! The queries use only what PostgreSQL has too (BIGINT, TEXT, BLOB, `$1`), except those in [`open`] and [`backup`].
//!
//! In reading order: [`open`], [`log`], [`incidents`], [`events`], [`traffic`], [`blobs`], [`program`], [`audit`],
//! [`backup`], [`error`].

pub mod audit;
pub mod backup;
pub mod blobs;
pub mod error;
pub mod events;
pub mod incidents;
pub mod log;
pub mod open;
pub mod program;
mod time;
pub mod traffic;

pub use audit::AuditAppendError;
pub use backup::{BackupError, backup_sqlite};
pub use error::StoreError;
pub use events::Recorded;
pub use incidents::{IncidentSummary, ResolveError};
pub use log::AppendError;
pub use open::{OpenError, Store};
pub use program::Program;
