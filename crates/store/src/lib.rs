//! The heal log and the read models in one SQLite file, durable and readable by many; not a queue, not a cache.
//!
//! Guarantees: what [`Store::append`] returned is on disk and survives `kill -9` and power loss; the read model of a
//! heal is written in the transaction that appends to its log, so it is always the fold of that log; nothing is ever
//! deleted except events beyond the latest of an incident, what [`retention`] lets go, and traffic of more than a day
//! ago; where a key is given, what was captured and what people wrote is sealed with it.
//! The queries use only what PostgreSQL has too (BIGINT, TEXT, BLOB, `$1`), except those in [`open`], [`reclaim`] and
//! [`backup`].
//!
//! In reading order: [`open`], [`key`], [`seal`], [`log`], [`incidents`], [`events`], [`traffic`], [`blobs`],
//! [`program`], [`audit`], [`reseal`], [`retention`], [`reclaim`], [`sizes`], [`backup`], [`error`].

pub mod audit;
pub mod backup;
pub mod blobs;
pub mod error;
pub mod events;
pub mod incidents;
pub mod key;
pub mod log;
pub mod open;
pub mod program;
mod reclaim;
pub mod reseal;
pub mod retention;
mod seal;
pub mod sizes;
mod time;
pub mod traffic;

pub use audit::AuditAppendError;
pub use backup::{BackupError, backup_sqlite};
pub use error::StoreError;
pub use events::Recorded;
pub use incidents::{IncidentSummary, ResolveError};
pub use key::{Key, KeyError};
pub use log::AppendError;
pub use open::{OpenError, Store};
pub use program::Program;
pub use reseal::Resealed;
pub use retention::{Pruned, Retention};
pub use sizes::Sizes;
