//! Times as the store keeps them: microseconds since the Unix epoch, which is all of PostgreSQL's precision too.

use crate::error::StoreError;
use jiff::Timestamp;

/// The same instant without what the store cannot keep.
pub(crate) fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A time read from a column.
pub(crate) fn from_column(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| StoreError::unreadable("a time", error))
}
