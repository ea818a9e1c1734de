//! What goes with age and size, on real files: that it goes, that the file shrinks, and that what is needed stays.

use crate::child;
use crate::samples::{abstained, candidate, event_with, judged, opened, planned, trial};
use homeostasis_domain::heal::{HealEvent, State};
use homeostasis_domain::trial::CheckStatus;
use homeostasis_domain::verdict::Decision;
use homeostasis_domain::{Event, HealId, IncidentId, Outcome};
use homeostasis_store::{Key, Pruned, Retention, Store};
use jiff::{SignedDuration, Timestamp};
use std::io::{BufRead, BufReader};
use std::path::Path;

const DAY: i64 = 24;
const MEGABYTE: u64 = 1024 * 1024;

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

/// An event that came so many hours ago and holds so many bytes that do not compress to less.
fn came(id: &str, fingerprint: &str, hours: i64, bytes: usize) -> Event {
    let mut event = event_with(id, fingerprint, 0, &"pears ".repeat(bytes / 12 + 1));
    event.time = ago(hours);
    event.received = ago(hours);
    event
}

async fn record(store: &Store, event: &Event) -> IncidentId {
    store.record_event(event).await.unwrap().incident.id
}

/// A heal of an incident whose entries were all written so many hours ago.
async fn heal(
    store: &Store,
    incident: &IncidentId,
    number: u32,
    hours: i64,
    events: &[HealEvent],
) -> HealId {
    let heal = HealId::of(incident, number);
    for (place, event) in events.iter().enumerate() {
        store
            .append(&heal, place as u64 + 1, ago(hours), event)
            .await
            .unwrap();
    }
    heal
}

/// The way to a remedy that is in place.
fn healed(incident: &IncidentId, source: &str) -> Vec<HealEvent> {
    let best = candidate(1);
    let measurement = crate::samples::measurement(30.0);
    let mut events = vec![
        opened(incident, source),
        crate::samples::diagnosed("data.missing_key"),
        HealEvent::Reproduced {
            trial: trial(None, CheckStatus::Failed),
        },
        HealEvent::Proposed {
            candidates: vec![best.clone()],
            declined: Vec::new(),
        },
        HealEvent::Tried {
            trial: trial(Some(&best), CheckStatus::Passed),
        },
        judged(Some(&best), Decision::Go),
        planned(&best),
        HealEvent::CanaryStarted { processes: vec![7] },
        HealEvent::CanaryPassed {
            measurement: measurement.clone(),
        },
        HealEvent::Promoted {
            processes: vec![7, 8],
        },
        HealEvent::EffectShown { measurement },
    ];
    let state = events
        .iter()
        .try_fold(State::default(), |state, event| {
            state.apply(event, Timestamp::now())
        })
        .unwrap();
    if let homeostasis_domain::heal::Step::Close(outcome) = state.next() {
        events.push(HealEvent::Closed { outcome });
    }
    events
}

async fn prune(store: &Store, retention: Retention) -> Pruned {
    prune_where(store, retention, |_| false).await
}

async fn prune_where(
    store: &Store,
    retention: Retention,
    in_force: impl Fn(&State) -> bool + Sync,
) -> Pruned {
    let now = Timestamp::now();
    let told = store
        .would_prune(&retention, retention.age(), now, &in_force)
        .await
        .unwrap();
    let done = store
        .prune(&retention, retention.age(), now, &in_force)
        .await
        .unwrap();
    // What is told beforehand is what is done, at least as long as only age decides.
    if retention.bytes >= Retention::default().bytes {
        assert_eq!(
            (told.incidents, told.events, told.heals),
            (done.incidents, done.events, done.heals)
        );
    }
    done
}

async fn ids(store: &Store, incident: &IncidentId) -> Vec<String> {
    let events = store.events_of(incident, 100).await.unwrap();
    events.iter().map(|event| event.id.to_string()).collect()
}

fn file_size(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("store.db")).unwrap().len()
}

#[tokio::test]
async fn by_age_old_events_go_and_incidents_not_seen_for_that_time_go_with_all_that_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let gone = record(&store, &came("g1", "gone", 31 * DAY, 100)).await;
    let heal_of_gone = heal(
        &store,
        &gone,
        1,
        31 * DAY,
        &[opened(&gone, "g1"), abstained()],
    )
    .await;
    let blob = store.put_blob(&heal_of_gone, b"old source").await.unwrap();
    let mut kept = None;
    for (id, days) in [("k1", 90), ("k2", 40), ("k3", 35), ("k4", 29), ("k5", 2)] {
        kept = Some(record(&store, &came(id, "kept", days * DAY, 100)).await);
    }
    let kept = kept.unwrap();
    heal(
        &store,
        &kept,
        1,
        90 * DAY,
        &[opened(&kept, "k1"), abstained()],
    )
    .await;
    let latest = heal(
        &store,
        &kept,
        2,
        40 * DAY,
        &[opened(&kept, "k2"), abstained()],
    )
    .await;
    let shared = store.put_blob(&latest, b"shared source").await.unwrap();
    store
        .put_blob(&heal_of_gone, b"shared source")
        .await
        .unwrap();

    let pruned = prune(&store, Retention::default()).await;
    assert_eq!((pruned.incidents, pruned.heals, pruned.sources), (1, 1, 1));
    assert_eq!(pruned.events, 3);
    assert!(store.incident(&gone).await.unwrap().is_none());
    assert!(store.log(&heal_of_gone).await.unwrap().is_empty());
    assert_eq!(store.get_blob(&blob).await.unwrap(), None);
    assert!(store.get_blob(&shared).await.unwrap().is_some());
    // k2 is what the latest heal began with; k1 was for an earlier one, whose log stays.
    assert_eq!(ids(&store, &kept).await, ["k5", "k4", "k2"]);
    assert_eq!(store.heals_of(&kept).await.unwrap().len(), 2);
    let again = store
        .record_repeats("shop", "signature of gone", 3, ago(0), ago(0))
        .await
        .unwrap();
    assert_eq!(
        again, None,
        "the signature of a gone incident is still known"
    );
    assert!(prune(&store, Retention::default()).await.is_nothing());
    // It can come again, as a new one.
    let recorded = store
        .record_event(&came("g2", "gone", 0, 100))
        .await
        .unwrap();
    assert!(recorded.new_incident && recorded.incident.count == 1);
}

#[tokio::test]
async fn what_is_needed_never_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let old = 100 * DAY;
    let mut incidents = Vec::new();
    for name in ["waiting", "in-force", "guarded", "fresh-arrival"] {
        for number in 0..6 {
            let id = format!("{name}{number}");
            incidents.push(record(&store, &came(&id, name, old, 200_000)).await);
        }
    }
    incidents.dedup();
    let [waiting, in_force, guarded, fresh] = &incidents[..] else {
        panic!("{incidents:?}");
    };
    heal(&store, waiting, 1, old, &[opened(waiting, "waiting2")]).await;
    let events = healed(in_force, "in-force3");
    heal(&store, in_force, 1, old, &events).await;
    let ending = [opened(guarded, "guarded0"), abstained()];
    heal(&store, guarded, 1, 23, &ending).await;
    // Its own clock is behind, but it came a moment ago.
    let mut event = came("behind", "fresh-arrival", old, 100);
    event.received = ago(0);
    record(&store, &event).await;

    for retention in [
        Retention::default(),
        Retention {
            days: 1,
            bytes: MEGABYTE,
        },
    ] {
        prune_where(&store, retention, |state| {
            assert!(matches!(state.outcome(), Some(Outcome::Healed { .. })));
            true
        })
        .await;
        assert_eq!(
            ids(&store, waiting).await,
            ["waiting5", "waiting2"],
            "{retention:?}"
        );
        assert_eq!(ids(&store, in_force).await, ["in-force5", "in-force3"]);
        assert_eq!(ids(&store, guarded).await, ["guarded5", "guarded0"]);
        assert_eq!(ids(&store, fresh).await, ["behind"]);
        assert_eq!(store.incidents().await.unwrap().len(), 4);
    }
    // Once its change is gone from the disk nothing holds a healed incident.
    let pruned = prune(&store, Retention::default()).await;
    assert_eq!((pruned.incidents, pruned.heals), (1, 1));
    assert!(store.incident(in_force).await.unwrap().is_none());
}

#[tokio::test]
async fn by_size_spare_events_go_first_then_incidents_the_oldest_first_and_the_file_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::create(&folder.path().join("key")).unwrap();
    let store = Store::open_exclusive_with_key(folder.path(), Some(&key))
        .await
        .unwrap();
    let mut incidents = Vec::new();
    for incident in 0..8_i64 {
        for number in 0..10 {
            let hours = 200 - 10 * incident - number;
            let event = came(
                &format!("{incident}.{number}"),
                &format!("f{incident}"),
                hours,
                200_000,
            );
            incidents.push(record(&store, &event).await);
        }
    }
    incidents.dedup();
    let before = file_size(folder.path()).max(store.sizes().await.unwrap().used);
    assert!(before > 15 * MEGABYTE, "{before}");
    let limit = |megabytes| Retention {
        days: 30,
        bytes: megabytes * MEGABYTE,
    };
    assert!(prune(&store, limit(1000)).await.is_nothing());

    let pruned = prune(&store, limit(10)).await;
    assert_eq!(pruned.incidents, 0);
    assert!(pruned.events > 20 && !pruned.over, "{pruned:?}");
    for incident in &incidents {
        assert!(ids(&store, incident).await.len() >= 3);
    }
    let used = store.sizes().await.unwrap().used;
    assert!(used <= 10 * MEGABYTE, "{used}");
    assert_eq!(pruned.bytes / MEGABYTE, (before - used) / MEGABYTE);
    assert!(file_size(folder.path()) <= 11 * MEGABYTE);

    let pruned = prune(&store, limit(2)).await;
    assert!(pruned.incidents > 3 && !pruned.over, "{pruned:?}");
    let left: Vec<IncidentId> = store
        .incidents()
        .await
        .unwrap()
        .into_iter()
        .map(|summary| summary.incident.id)
        .collect();
    // The one seen last comes first, and the oldest are gone.
    let expected: Vec<IncidentId> = incidents.iter().rev().take(left.len()).cloned().collect();
    assert_eq!(left, expected);
    assert!(file_size(folder.path()) <= 3 * MEGABYTE);
    store.close().await;
    drop(store);
    let store = Store::open_exclusive_with_key(folder.path(), Some(&key))
        .await
        .unwrap();
    assert_eq!(store.incidents().await.unwrap().len(), left.len());
}

#[tokio::test]
async fn a_limit_that_cannot_be_met_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for number in 0..10 {
        record(&store, &came(&format!("e{number}"), "f", 0, 300_000)).await;
    }
    let retention = Retention {
        days: 30,
        bytes: MEGABYTE,
    };
    let pruned = prune(&store, retention).await;
    assert!(pruned.over && pruned.is_nothing(), "{pruned:?}");
}

#[tokio::test]
async fn an_incident_keeps_only_so_many_bytes_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut incident = None;
    for number in 0..8 {
        let event = came(&format!("e{number}"), "f", 1, 6 * MEGABYTE as usize);
        incident = Some(record(&store, &event).await);
    }
    let kept = ids(&store, &incident.unwrap()).await;
    assert_eq!(kept, ["e7", "e6", "e5", "e4", "e3"]);
}

#[tokio::test]
async fn the_audit_log_never_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for number in 1..=200_u64 {
        let hash = |number: u64| format!("hash {number}");
        store
            .audit_append(
                number,
                &hash(number - 1),
                &hash(number),
                &"entry ".repeat(1000),
            )
            .await
            .unwrap();
    }
    let retention = Retention { days: 1, bytes: 1 };
    let pruned = prune(&store, retention).await;
    assert!(pruned.over);
    assert_eq!(store.audit_entries().await.unwrap().len(), 200);
}

/// Brings in incidents that are old enough to go, each with a closed heal and a source file, for ever.
pub(crate) async fn fill(store: &Store, numbers: std::ops::RangeFrom<u32>) {
    for number in numbers {
        let id = format!("e{number}");
        let event = came(&id, &format!("f{number}"), 60 * DAY, 20_000);
        let incident = IncidentId::of(&event.service, &event.environment, &event.fingerprint);
        // With a heal that is not closed it stays until everything is there.
        let opening = [opened(&incident, &id)];
        let heal = heal(store, &incident, 1, 60 * DAY, &opening).await;
        assert_eq!(record(store, &event).await, incident);
        store.put_blob(&heal, id.as_bytes()).await.unwrap();
        store
            .append(&heal, 2, ago(60 * DAY), &abstained())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn pruning_that_was_killed_leaves_no_incident_halved() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut child = child::command("prunes_until_it_is_killed", folder.path())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pruned = 0;
        for line in lines.map_while(Result::ok) {
            if let Some(count) = line.strip_prefix("pruned ") {
                pruned += count.parse::<u64>().unwrap();
                if pruned >= 20 + 15 * round {
                    child.kill().unwrap();
                    break;
                }
            }
        }
        child.wait().unwrap();
        assert!(pruned > 0);
        let store = Store::open_exclusive(folder.path()).await.unwrap();
        let incidents = store.incidents().await.unwrap();
        for summary in &incidents {
            let id = &summary.incident.id;
            let heals = store.heals_of(id).await.unwrap();
            assert_eq!((heals.len(), ids(&store, id).await.len()), (1, 1));
            assert!(!store.log(&heals[0]).await.unwrap().is_empty());
        }
        let sizes = store.sizes().await.unwrap();
        let count = incidents.len() as u64;
        assert_eq!(sizes.events.count, count);
        // Of the one that was coming in when the process was killed there may be only the heal.
        let without_incident = sizes.heals.count - count;
        assert!(without_incident <= 1 + round, "{without_incident}");
        prune(&store, Retention::default()).await;
        let sizes = store.sizes().await.unwrap();
        assert!(sizes.unfinished <= 1 && sizes.incidents <= sizes.unfinished);
        assert_eq!(sizes.events.count, sizes.incidents);
        for heal in store.unfinished().await.unwrap() {
            store
                .append(&heal, 2, ago(60 * DAY), &abstained())
                .await
                .unwrap();
        }
        store.close().await;
    }
}
