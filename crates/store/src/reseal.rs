//! Sealing what is there already: plain values with a first key, or all values with the key that comes after one. It
//! goes on where it was when it is begun again.

use crate::error::StoreError;
use crate::key::Key;
use crate::open::{Durability, OpenError, Store, Unlock};
use crate::seal::{Column, Place};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;
use thiserror::Error;

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Values sealed until now.
    pub done: u64,
    /// Values that were to be sealed when it began.
    pub of: u64,
}

/// Why the key was not changed, or not to the end.
#[derive(Debug, Error)]
pub enum ChangeKeyError {
    /// The store could not be opened with these keys.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It failed on the way.
    #[error("the key was not changed to the end; do it again with the same keys")]
    Store(#[from] StoreError),
}

/// Where the values of a column lie.
struct Layout {
    table: &'static str,
    value: &'static str,
    /// The two parts of a row's place, as expressions.
    row: &'static str,
    number: &'static str,
    /// Holds for rows behind the place `$2`, `$3`.
    behind: &'static str,
    order: &'static str,
    is_text: bool,
    /// Rows that are sealed in one transaction.
    batch: i64,
}

fn layout(column: Column) -> Layout {
    let by_name = |table, value, row, behind, is_text, batch| Layout {
        table,
        value,
        row,
        number: "0",
        behind,
        order: row,
        is_text,
        batch,
    };
    match column {
        Column::Event => by_name("events", "body", "id", "id > $2 AND $3 = 0", false, 8),
        Column::Outcome => by_name("heals", "outcome", "id", "id > $2 AND $3 = 0", true, 200),
        Column::Title => by_name("incidents", "title", "id", "id > $2 AND $3 = 0", true, 200),
        Column::Source => by_name(
            "blobs",
            "body",
            "sha256",
            "sha256 > $2 AND $3 = 0",
            false,
            16,
        ),
        Column::Record => by_name("meta", "value", "name", "name > $2 AND $3 = 0", true, 50),
        Column::HealEntry => Layout {
            table: "heal_log",
            value: "event",
            row: "heal",
            number: "number",
            behind: "(heal, number) > ($2, $3)",
            order: "heal, number",
            is_text: true,
            batch: 50,
        },
        Column::AuditEntry => Layout {
            table: "audit",
            value: "body",
            row: "''",
            number: "number",
            behind: "number > $3 AND $2 = ''",
            order: "number",
            is_text: true,
            batch: 200,
        },
    }
}

/// A row as it is stored: its place, the number of its key, its value.
type Row = (String, i64, i64, Option<Vec<u8>>);

impl Store {
    /// Seals every value that is plain or sealed with an earlier key, says now and then how far it is, and gives the
    /// number of those it sealed. Afterwards the file holds nothing any more of what it held before. Without a key
    /// nothing is done.
    pub async fn seal_all(&self, mut told: impl FnMut(Resealed)) -> Result<u64, StoreError> {
        if self.seals().current() == 0 {
            return Ok(0);
        }
        let mut progress = Resealed {
            done: 0,
            of: self.unsealed().await?,
        };
        for column in Column::ALL {
            let mut last = (String::new(), 0);
            while let Some(next) = self.seal_some(column, &last, &mut progress.done).await? {
                last = next;
                told(progress);
            }
        }
        self.rewrite().await?;
        sqlx::query("DELETE FROM keys WHERE number < $1")
            .bind(self.seals().current())
            .execute(&mut *self.writer_connection().await?)
            .await?;
        Ok(progress.done)
    }

    /// Seals everything with the key `new` instead of `old`. Until it is done nobody else can use the store; when it
    /// was interrupted it goes on with the same keys.
    pub async fn change_key(
        folder: &Path,
        old: &Key,
        new: &Key,
        told: impl FnMut(Resealed),
    ) -> Result<u64, ChangeKeyError> {
        let store = Store::open_exclusive_to(folder, Unlock::Change { old, new }).await?;
        let done = store.seal_all(told).await?;
        store.close().await;
        Ok(done)
    }

    /// Number of values that are not sealed with the current key: all when there is none.
    pub async fn unsealed(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for column in Column::ALL {
            let Layout { table, .. } = layout(column);
            let query = format!("SELECT COUNT(*) FROM {table} WHERE sealed <> $1 OR $1 = 0");
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .bind(self.seals().current())
                .fetch_one(self.readers())
                .await?;
            count += found as u64;
        }
        Ok(count)
    }

    /// Seals some values behind a place; the place of the last one, or `None` when there were none left.
    async fn seal_some(
        &self,
        column: Column,
        last: &(String, i64),
        done: &mut u64,
    ) -> Result<Option<(String, i64)>, StoreError> {
        let layout = layout(column);
        let Layout {
            table,
            value,
            row,
            number,
            behind,
            order,
            batch,
            ..
        } = layout;
        let current = self.seals().current();
        // What is not on disk yet when the power fails is sealed again.
        let mut transaction = self.write(Durability::Process).await?;
        let query = format!(
            "SELECT {row} AS place, {number} AS number, sealed, {value} AS value FROM {table} \
             WHERE sealed <> $1 AND {behind} ORDER BY {order} LIMIT {batch}"
        );
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(current)
            .bind(&last.0)
            .bind(last.1)
            .fetch_all(&mut *transaction)
            .await?;
        let Some((row_of_last, number_of_last, _, _)) = rows.last() else {
            return Ok(None);
        };
        let last = (row_of_last.clone(), *number_of_last);
        let update = format!(
            "UPDATE {table} SET sealed = $1, {value} = $2 WHERE {row} = $3 AND {number} = $4"
        );
        for (row, number, sealed, stored) in rows {
            let place = Place::numbered(column, &row, number);
            let value = match stored {
                Some(stored) => Some(self.reseal(&layout, place, sealed, stored)?),
                None => None,
            };
            let query = sqlx::query(sqlx::AssertSqlSafe(update.clone())).bind(current);
            let query = match (layout.is_text, value) {
                (true, value) => query.bind(value.map(|value| STANDARD.encode(value))),
                (false, value) => query.bind(value),
            };
            query
                .bind(&row)
                .bind(number)
                .execute(&mut *transaction)
                .await?;
            *done += 1;
        }
        transaction.commit().await?;
        Ok(Some(last))
    }

    /// A stored value sealed with the current key, as bytes.
    fn reseal(
        &self,
        layout: &Layout,
        place: Place<'_>,
        sealed: i64,
        stored: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let altered = |_| StoreError::Altered {
            what: place.to_string(),
        };
        let stored = match layout.is_text && sealed != 0 {
            true => STANDARD.decode(stored).map_err(altered)?,
            false => stored,
        };
        let plain = self.seals().open(place, sealed, stored)?;
        Ok(self.seals().seal(place, &plain)?.1)
    }
}
