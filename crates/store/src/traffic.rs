//! Requests counted by route: coarse enough to keep for a day, fine enough to judge a canary; not a metrics store.

use crate::error::StoreError;
use crate::open::{Durability, Store};
use jiff::Timestamp;

/// Length of a bucket in seconds.
pub const BUCKET_SECONDS: i64 = 10;
const KEPT_SECONDS: i64 = 24 * 60 * 60;

impl Store {
    /// Adds what one process counted between two instants. It goes to the bucket in which the span began.
    pub async fn record_traffic(
        &self,
        service: &str,
        pid: u32,
        since: Timestamp,
        until: Timestamp,
        routes: &[(String, u64, u64)],
    ) -> Result<(), StoreError> {
        // A clock that is ahead must neither make counts that stay evidence for hours nor make all others look old.
        let bucket = bucket_of(since.min(until).min(Timestamp::now()));
        let mut transaction = self.write(Durability::Process).await?;
        for (route, requests, failed) in routes {
            sqlx::query(
                "INSERT INTO traffic (service, route, bucket, pid, requests, failed) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (service, route, bucket, pid) DO UPDATE SET \
                 requests = traffic.requests + excluded.requests, failed = traffic.failed + excluded.failed",
            )
            .bind(service)
            .bind(route)
            .bind(bucket)
            .bind(i64::from(pid))
            .bind(i64::try_from(*requests).unwrap_or(i64::MAX))
            .bind(i64::try_from(*failed).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("DELETE FROM traffic WHERE bucket < $1")
            .bind(bucket - KEPT_SECONDS)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Requests on a route and how many of them failed, in the buckets that begin at or after `since`: a bucket
    /// that began before is left out, so that nothing from before is taken for evidence of what came after.
    pub async fn traffic(
        &self,
        service: &str,
        route: &str,
        since: Timestamp,
    ) -> Result<(u64, u64), StoreError> {
        let (requests, failed): (i64, i64) = sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests, CAST(COALESCE(SUM(failed), 0) AS BIGINT) AS failed \
             FROM traffic WHERE service = $1 AND route = $2 AND bucket >= $3",
        )
        .bind(service)
        .bind(route)
        .bind(first_bucket_from(since))
        .fetch_one(self.readers())
        .await?;
        Ok((requests as u64, failed as u64))
    }

    /// The same for one process only.
    pub async fn traffic_of_process(
        &self,
        service: &str,
        route: &str,
        since: Timestamp,
        pid: u32,
    ) -> Result<(u64, u64), StoreError> {
        let (requests, failed): (i64, i64) = sqlx::query_as(
            "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT) AS requests, CAST(COALESCE(SUM(failed), 0) AS BIGINT) AS failed \
             FROM traffic WHERE service = $1 AND route = $2 AND bucket >= $3 AND pid = $4",
        )
        .bind(service)
        .bind(route)
        .bind(first_bucket_from(since))
        .bind(i64::from(pid))
        .fetch_one(self.readers())
        .await?;
        Ok((requests as u64, failed as u64))
    }
}

fn bucket_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(BUCKET_SECONDS) * BUCKET_SECONDS
}

fn first_bucket_from(time: Timestamp) -> i64 {
    let bucket = bucket_of(time);
    let begins_there = time.as_nanosecond() == i128::from(bucket) * 1_000_000_000;
    if begins_there {
        bucket
    } else {
        bucket + BUCKET_SECONDS
    }
}
