//! Counted requests: sums, whole buckets only, and what is kept.

use crate::samples::at;
use homeostasis_store::Store;
use jiff::{SignedDuration, Timestamp};

fn route(requests: u64, failed: u64) -> Vec<(String, u64, u64)> {
    vec![("POST /orders".to_string(), requests, failed)]
}

#[tokio::test]
async fn requests_of_all_processes_are_summed_by_route() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for (pid, second, requests, failed) in
        [(1, 0, 10, 1), (2, 1, 20, 0), (1, 2, 5, 5), (1, 12, 7, 0)]
    {
        store
            .record_traffic(
                "shop",
                pid,
                at(second),
                at(second + 1),
                &route(requests, failed),
            )
            .await
            .unwrap();
    }
    assert_eq!(
        store.traffic("shop", "POST /orders", at(0)).await.unwrap(),
        (42, 6)
    );
    assert_eq!(
        store.traffic("shop", "GET /orders", at(0)).await.unwrap(),
        (0, 0)
    );
    assert_eq!(
        store.traffic("bank", "POST /orders", at(0)).await.unwrap(),
        (0, 0)
    );
    let of_first = store
        .traffic_of_process("shop", "POST /orders", at(0), 1)
        .await
        .unwrap();
    assert_eq!(of_first, (22, 6));
}

#[tokio::test]
async fn a_bucket_that_began_earlier_is_no_evidence_for_what_came_after() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store
        .record_traffic("shop", 1, at(5), at(6), &route(10, 1))
        .await
        .unwrap();
    store
        .record_traffic("shop", 1, at(10), at(11), &route(3, 0))
        .await
        .unwrap();
    assert_eq!(
        store.traffic("shop", "POST /orders", at(1)).await.unwrap(),
        (3, 0)
    );
    assert_eq!(
        store.traffic("shop", "POST /orders", at(10)).await.unwrap(),
        (3, 0)
    );
    assert_eq!(
        store.traffic("shop", "POST /orders", at(11)).await.unwrap(),
        (0, 0)
    );
}

#[tokio::test]
async fn traffic_of_more_than_a_day_ago_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let day = 24 * 60 * 60;
    store
        .record_traffic("shop", 1, at(0), at(1), &route(10, 1))
        .await
        .unwrap();
    store
        .record_traffic("shop", 1, at(day), at(day + 1), &route(1, 0))
        .await
        .unwrap();
    assert_eq!(
        store.traffic("shop", "POST /orders", at(0)).await.unwrap(),
        (11, 1)
    );
    store
        .record_traffic("shop", 1, at(day + 10), at(day + 11), &route(1, 0))
        .await
        .unwrap();
    assert_eq!(
        store.traffic("shop", "POST /orders", at(0)).await.unwrap(),
        (2, 0)
    );
}

#[tokio::test]
async fn a_process_whose_clock_is_ahead_does_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let now = Timestamp::now();
    let earlier = now - SignedDuration::from_hours(1);
    let ahead = now + SignedDuration::from_hours(100);
    store
        .record_traffic("shop", 1, earlier, earlier, &route(10, 1))
        .await
        .unwrap();
    store
        .record_traffic("shop", 2, ahead, ahead, &route(5, 0))
        .await
        .unwrap();
    let long_ago = now - SignedDuration::from_hours(2);
    assert_eq!(
        store
            .traffic("shop", "POST /orders", long_ago)
            .await
            .unwrap(),
        (15, 1)
    );
    let later = now + SignedDuration::from_mins(1);
    assert_eq!(
        store.traffic("shop", "POST /orders", later).await.unwrap(),
        (0, 0)
    );
}
