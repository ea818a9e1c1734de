//! Giving room back to the system, and leaving nothing in the file of what was removed from it; only for SQLite.

use crate::error::StoreError;
use crate::open::Store;

/// Free pages beyond this many are given back; fewer will be used again soon.
const FREE_PAGES: i64 = 256;
/// So many pages are given back at a time, so that other writes come in between.
const STEP: i64 = 1024;
/// What `PRAGMA auto_vacuum` says when pages can be given back in steps.
const INCREMENTAL: i64 = 2;

/// The pages of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// Bytes of one.
    size: i64,
    all: i64,
    free: i64,
}

impl Pages {
    /// Bytes that hold something.
    pub(crate) fn used(self) -> u64 {
        ((self.all - self.free) * self.size).max(0) as u64
    }

    /// Bytes that hold nothing and will be used again, or given back.
    pub(crate) fn free(self) -> u64 {
        (self.free * self.size).max(0) as u64
    }
}

impl Store {
    pub(crate) async fn pages(&self) -> Result<Pages, StoreError> {
        let (size, all, free) = sqlx::query_as(
            "SELECT page_size, page_count, freelist_count \
             FROM pragma_page_size, pragma_page_count, pragma_freelist_count",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(Pages { size, all, free })
    }

    /// Gives free pages back in small steps, so that the file shrinks. A store of an earlier version has to be
    /// rewritten once for that.
    pub(crate) async fn reclaim(&self) -> Result<(), StoreError> {
        if self.pages().await?.free <= FREE_PAGES {
            return Ok(());
        }
        let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum")
            .fetch_one(self.readers())
            .await?;
        if mode != INCREMENTAL {
            return self.rewrite().await;
        }
        loop {
            let before = self.pages().await?.free;
            let mut connection = self.writer_connection().await?;
            let step = format!("PRAGMA incremental_vacuum({STEP})");
            sqlx::query(sqlx::AssertSqlSafe(step))
                .fetch_all(&mut *connection)
                .await?;
            drop(connection);
            let after = self.pages().await?.free;
            if after == 0 || after >= before {
                break;
            }
        }
        // The file itself ends earlier only when the write-ahead log is brought into it. Readers may be in the way;
        // then one of the next times does it.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_all(&mut *self.writer_connection().await?)
            .await?;
        Ok(())
    }

    /// Writes the whole file anew and empties the write-ahead log, so that nothing is left in them of what was removed
    /// or replaced before. It needs as much room again meanwhile.
    pub(crate) async fn rewrite(&self) -> Result<(), StoreError> {
        let mut connection = self.writer_connection().await?;
        for statement in ["PRAGMA auto_vacuum = INCREMENTAL", "VACUUM"] {
            sqlx::query(statement).execute(&mut *connection).await?;
        }
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *connection)
            .await?;
        if busy != 0 {
            return Err(StoreError::Busy);
        }
        Ok(())
    }
}
