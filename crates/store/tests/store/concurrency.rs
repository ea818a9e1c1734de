//! Many writers, many processes, and the death of one: nothing acknowledged is lost, nothing is written twice.

use crate::child;
use crate::samples::{abstained, at, event, opened};
use homeostasis_domain::heal::HealEvent;
use homeostasis_domain::{HealId, IncidentId};
use homeostasis_store::{AppendError, OpenError, Store};
use std::io::{BufRead, BufReader};

fn step_failed(writer: usize) -> HealEvent {
    HealEvent::StepFailed {
        step: "diagnose".to_string(),
        error: format!("writer {writer}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_writers_to_one_heal_exactly_one_gets_each_number() {
    let folder = tempfile::tempdir().unwrap();
    // Half of the writers use a second handle, as a second process would.
    let stores = [
        Store::open(folder.path()).await.unwrap(),
        Store::open(folder.path()).await.unwrap(),
    ];
    let incident = IncidentId::new("0a0a0a0a");
    let heal = HealId::of(&incident, 1);
    stores[0]
        .append(&heal, 1, at(0), &opened(&incident, "e"))
        .await
        .unwrap();
    for number in 2..4 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (store, heal) = (stores[writer % 2].clone(), heal.clone());
            writers.spawn(async move {
                store
                    .append(&heal, number, at(1), &step_failed(writer))
                    .await
            });
        }
        let results = writers.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            assert!(matches!(error, AppendError::Conflict { .. }), "{error:?}");
        }
    }
    let numbers: Vec<u64> = stores[1]
        .log(&heal)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_of_all_kinds_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8u32 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0..20u32 {
                let sent = event(&format!("{writer}.{round}"), "f", i64::from(round));
                store.record_event(&sent).await.unwrap();
                store
                    .record_repeats("shop", "signature of f", 2, at(0), at(1))
                    .await
                    .unwrap();
                let routes = [("GET /".to_string(), 3, 1)];
                store
                    .record_traffic("shop", writer, at(0), at(1), &routes)
                    .await
                    .unwrap();
                let heal = HealId::of(&IncidentId::new(format!("{writer:08x}")), round + 1);
                store
                    .append(&heal, 1, at(0), &opened(&heal.incident(), "e"))
                    .await
                    .unwrap();
                store.append(&heal, 2, at(0), &abstained()).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let incidents = store.incidents().await.unwrap();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].incident.count, 8 * 20 * 3);
    assert_eq!(
        store.traffic("shop", "GET /", at(0)).await.unwrap(),
        (480, 160)
    );
    assert!(store.unfinished().await.unwrap().is_empty());
    assert_eq!(
        store
            .heals_of(&IncidentId::new("00000007"))
            .await
            .unwrap()
            .len(),
        20
    );
}

#[tokio::test]
async fn a_write_that_is_given_up_half_way_leaves_no_trace_and_does_not_block() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = IncidentId::new("0a0a0a0a");
    for number in 1..60 {
        let heal = HealId::of(&incident, number);
        let opening = opened(&incident, "e");
        let append = store.append(&heal, 1, at(0), &opening);
        // Polled a varying number of times and then dropped, at whatever await it had come to.
        let mut append = Box::pin(append);
        for _ in 0..number {
            if futures_poll(&mut append).await {
                break;
            }
        }
    }
    let heal = HealId::of(&IncidentId::new("0b0b0b0b"), 1);
    store
        .append(&heal, 1, at(0), &opened(&heal.incident(), "e"))
        .await
        .unwrap();
    for heal in store.heals_of(&incident).await.unwrap() {
        assert_eq!(store.log(&heal).await.unwrap().len(), 1);
    }
}

/// Polls once and lets other tasks run; true when the future is done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let done = std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(polled.is_ready())
    })
    .await;
    tokio::task::yield_now().await;
    done
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4 {
        let target = folder.path().join(format!("store-{round}"));
        let mut child = child::command("appends_until_it_is_killed", &target)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        acknowledged.clear();
        for line in lines.map_while(Result::ok) {
            if let Some(heal) = line.strip_prefix("acknowledged ") {
                acknowledged.push(heal.to_string());
                if acknowledged.len() == 30 + round * 7 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(acknowledged.len() >= 30 + round * 7);
        let store = Store::open_exclusive(&target).await.unwrap();
        let kept = store.unfinished().await.unwrap();
        for heal in &acknowledged {
            assert!(
                kept.contains(&HealId::new(heal)),
                "{heal} was acknowledged and is gone"
            );
        }
        // At most the one that was being appended is there without having been acknowledged.
        assert!(kept.len() <= acknowledged.len() + 1);
        for heal in kept {
            assert_eq!(store.log(&heal).await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_second_healing_process_is_refused_with_the_first_ones_id_while_readers_are_welcome() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child::command("holds_the_lock_until_it_is_killed", folder.path())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line == "held"));

    let error = Store::open_exclusive(folder.path()).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { holder: Some(pid), .. } if pid == child.id()));
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", child.id()))
    );
    let reader = Store::open(folder.path()).await.unwrap();
    assert!(reader.incidents().await.unwrap().is_empty());

    child.kill().unwrap();
    child.wait().unwrap();
    Store::open_exclusive(folder.path()).await.unwrap();
}
