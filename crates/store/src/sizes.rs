//! How much is kept and how old it is, for people.

use crate::error::StoreError;
use crate::open::Store;
use crate::time::from_column;
use jiff::Timestamp;
use serde::Serialize;

/// How much is kept. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Of the file.
    pub file: u64,
    /// Of its write-ahead log, which is brought into the file now and then.
    pub log: u64,
    /// Of the pages of the file that hold something: what the limit is for.
    pub used: u64,
    /// Of the pages that will be used again, or given back.
    pub free: u64,
    /// Incidents.
    pub incidents: u64,
    /// When the one that was seen least lately was seen last.
    pub oldest_incident: Option<Timestamp>,
    /// Events with their capsules.
    pub events: Kept,
    /// When the oldest of them came.
    pub oldest_event: Option<Timestamp>,
    /// Heals, by their logs.
    pub heals: Kept,
    /// Heals that are not closed.
    pub unfinished: u64,
    /// Source files as they were before and after rollouts.
    pub sources: Kept,
    /// Entries of the audit log.
    pub audit: Kept,
    /// Name of the key that values are sealed with.
    pub key: Option<String>,
    /// Values that are not sealed with it: all of them when there is no key.
    pub plain: u64,
}

/// How many of a kind are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// How much is kept.
    pub async fn sizes(&self) -> Result<Sizes, StoreError> {
        let pages = self.pages().await?;
        let length = |name: &str| {
            let file = self.folder().join(name);
            file.metadata().map_or(0, |metadata| metadata.len())
        };
        let (incidents, oldest_incident) = self.count_and_first("incidents", "last_seen").await?;
        let (_, oldest_event) = self.count_and_first("events", "received").await?;
        let (heals, _) = self.count_and_first("heals", "opened").await?;
        let log = self.kept("heal_log", "event").await?;
        let unfinished: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM heals WHERE phase <> 'closed'")
                .fetch_one(self.readers())
                .await?;
        let key: Option<String> =
            sqlx::query_scalar("SELECT name FROM keys ORDER BY number DESC LIMIT 1")
                .fetch_optional(self.readers())
                .await?;
        Ok(Sizes {
            file: length("store.db"),
            log: length("store.db-wal"),
            used: pages.used(),
            free: pages.free(),
            incidents,
            oldest_incident,
            events: self.kept("events", "body").await?,
            oldest_event,
            heals: Kept {
                count: heals,
                bytes: log.bytes,
            },
            unfinished: unfinished as u64,
            sources: self.kept("blobs", "body").await?,
            audit: self.kept("audit", "body").await?,
            key,
            plain: self.unsealed().await?,
        })
    }

    async fn kept(&self, table: &str, value: &str) -> Result<Kept, StoreError> {
        let query = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(OCTET_LENGTH({value})), 0) AS BIGINT) FROM {table}"
        );
        let (count, bytes): (i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_one(self.readers())
            .await?;
        Ok(Kept {
            count: count as u64,
            bytes: bytes as u64,
        })
    }

    async fn count_and_first(
        &self,
        table: &str,
        time: &str,
    ) -> Result<(u64, Option<Timestamp>), StoreError> {
        let query = format!("SELECT COUNT(*), MIN({time}) FROM {table}");
        let (count, first): (i64, Option<i64>) = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_one(self.readers())
            .await?;
        Ok((count as u64, first.map(from_column).transpose()?))
    }
}
