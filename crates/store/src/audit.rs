//! Rows for the audit chain: kept in order and only ever appended; signing and verifying is policy's.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use crate::seal::{Column, Place};
use thiserror::Error;

/// Why an audit entry was not appended. Nothing was changed.
#[derive(Debug, Error)]
pub enum AuditAppendError {
    /// The entry does not continue the chain that is stored.
    #[error(
        "audit entry {number} does not continue the chain, which ends with entry {last}; load it again"
    )]
    Conflict {
        /// The number that was given.
        number: u64,
        /// The last that is there, 0 for none.
        last: u64,
    },
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AuditAppendError {
    fn from(error: sqlx::Error) -> Self {
        AuditAppendError::Store(error.into())
    }
}

impl Store {
    /// Appends an entry, given as the text its owner will read again. `number` must be one more than the last, from
    /// 1, and `previous` the hash of the last (anything for the first). It is on disk when this returns.
    pub async fn audit_append(
        &self,
        number: u64,
        previous: &str,
        hash: &str,
        body: &str,
    ) -> Result<(), AuditAppendError> {
        let mut transaction = self.write(Durability::Full).await?;
        let last: Option<(i64, String)> =
            sqlx::query_as("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await?;
        let continues = match &last {
            None => number == 1,
            Some((last, hash)) => number as i64 == last + 1 && previous == hash,
        };
        if !continues {
            let last = last.map_or(0, |(last, _)| last as u64);
            return Err(AuditAppendError::Conflict { number, last });
        }
        let place = Place::numbered(Column::AuditEntry, "", number as i64);
        let (sealed, body) = self.seals().seal_text(place, body.to_string())?;
        sqlx::query(
            "INSERT INTO audit (number, previous, hash, sealed, body) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(number as i64)
        .bind(previous)
        .bind(hash)
        .bind(sealed)
        .bind(body)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// All audit entries as they were given, in order.
    pub async fn audit_entries(&self) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(i64, i64, String)> =
            sqlx::query_as("SELECT number, sealed, body FROM audit ORDER BY number")
                .fetch_all(self.readers())
                .await?;
        let opened = rows.into_iter().map(|(number, sealed, body)| {
            let place = Place::numbered(Column::AuditEntry, "", number);
            self.seals().open_text(place, sealed, body)
        });
        opened.collect()
    }
}
