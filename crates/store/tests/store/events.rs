//! Events, incidents and repeats: counting, duplicates, what is kept, and finding an incident by a short id.

use crate::samples::{abstained, at, event, opened};
use homeostasis_domain::{EventId, HealId, IncidentId};
use homeostasis_store::{Program, ResolveError, Store};

#[tokio::test]
async fn the_first_event_makes_an_incident_that_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let recorded = store.record_event(&event("e1", "f", 5)).await.unwrap();
    assert!(recorded.new_incident && !recorded.duplicate);
    let incident = recorded.incident;
    assert_eq!(incident.title, "KeyError: 'qty'");
    assert_eq!(incident.culprit, "create in shop/orders.py");
    assert_eq!(incident.route.as_deref(), Some("POST /orders"));
    assert_eq!((incident.first_seen, incident.last_seen), (at(5), at(5)));
    assert_eq!(incident.count, 1);
    let summary = store.incident(&incident.id).await.unwrap().unwrap();
    assert_eq!(
        (summary.phase.as_str(), summary.heal, summary.class),
        ("new", None, None)
    );
}

#[tokio::test]
async fn the_same_event_twice_is_a_duplicate_and_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store.record_event(&event("e1", "f", 5)).await.unwrap();
    let again = store.record_event(&event("e1", "f", 5)).await.unwrap();
    assert!(again.duplicate && !again.new_incident);
    assert_eq!(again.incident.count, 1);
    let next = store.record_event(&event("e2", "f", 3)).await.unwrap();
    assert!(!next.duplicate && !next.new_incident);
    assert_eq!(next.incident.count, 2);
    assert_eq!(
        (next.incident.first_seen, next.incident.last_seen),
        (at(3), at(5))
    );
}

#[tokio::test]
async fn an_event_comes_back_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let sent = event("e1", "f", 5);
    store.record_event(&sent).await.unwrap();
    assert_eq!(
        store.event(&EventId::new("e1")).await.unwrap(),
        Some(sent.clone())
    );
    assert_eq!(store.event(&EventId::new("e2")).await.unwrap(), None);
}

#[tokio::test]
async fn old_events_go_but_never_those_that_a_heal_refers_to() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let first = store.record_event(&event("e0", "f", 0)).await.unwrap();
    let incident = first.incident.id;
    for number in 1..=2 {
        store
            .record_event(&event(&format!("e{number}"), "f", number))
            .await
            .unwrap();
    }
    let heal = HealId::of(&incident, 1);
    store
        .append(&heal, 1, at(1), &opened(&incident, "e1"))
        .await
        .unwrap();
    store.append(&heal, 2, at(2), &abstained()).await.unwrap();
    for number in 3..=50 {
        store
            .record_event(&event(&format!("e{number}"), "f", number))
            .await
            .unwrap();
    }
    let kept = store.events_of(&incident, 100).await.unwrap();
    let mut expected: Vec<String> = (31..=50).rev().map(|n| format!("e{n}")).collect();
    expected.push("e1".to_string());
    let ids: Vec<String> = kept.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, expected);
    assert_eq!(store.events_of(&incident, 3).await.unwrap().len(), 3);
    let summary = store.incident(&incident).await.unwrap().unwrap();
    assert_eq!(summary.incident.count, 51);
}

#[tokio::test]
async fn repeats_are_counted_on_the_incident_of_their_signature() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let incident = store
        .record_event(&event("e1", "f", 5))
        .await
        .unwrap()
        .incident
        .id;
    let found = store
        .record_repeats("shop", "signature of f", 40, at(1), at(9))
        .await
        .unwrap();
    assert_eq!(found, Some(incident.clone()));
    let unknown = store
        .record_repeats("shop", "of nothing", 40, at(1), at(9))
        .await
        .unwrap();
    assert_eq!(unknown, None);
    let other_service = store
        .record_repeats("bank", "signature of f", 40, at(1), at(9))
        .await
        .unwrap();
    assert_eq!(other_service, None);
    let summary = store.incident(&incident).await.unwrap().unwrap();
    assert_eq!(summary.incident.count, 41);
    assert_eq!(
        (summary.incident.first_seen, summary.incident.last_seen),
        (at(1), at(9))
    );
}

#[tokio::test]
async fn incidents_are_listed_with_the_one_seen_last_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for (id, fingerprint, second) in [("e1", "f", 5), ("e2", "g", 9), ("e3", "h", 7)] {
        store
            .record_event(&event(id, fingerprint, second))
            .await
            .unwrap();
    }
    let seen: Vec<_> = store
        .incidents()
        .await
        .unwrap()
        .into_iter()
        .map(|summary| summary.incident.last_seen)
        .collect();
    assert_eq!(seen, [at(9), at(7), at(5)]);
}

#[tokio::test]
async fn a_short_id_must_name_exactly_one_incident() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..40 {
        let event = event(&format!("e{number}"), &format!("f{number}"), number);
        ids.push(store.record_event(&event).await.unwrap().incident.id);
    }
    for id in &ids {
        assert_eq!(store.resolve_incident(id.as_str()).await.unwrap(), *id);
    }
    let error = store.resolve_incident("").await.unwrap_err();
    assert!(matches!(error, ResolveError::Ambiguous { .. }));
    // With 40 ids over 16 first digits, two must share one.
    let shared = ids
        .iter()
        .map(|id| &id.as_str()[..1])
        .find(|first| {
            ids.iter()
                .filter(|id| id.as_str().starts_with(first))
                .count()
                > 1
        })
        .unwrap();
    let error = store.resolve_incident(shared).await.unwrap_err();
    assert!(matches!(error, ResolveError::Ambiguous { .. }));
    for nothing in ["zz", "%", "_"] {
        let error = store.resolve_incident(nothing).await.unwrap_err();
        assert!(matches!(error, ResolveError::Unknown { .. }));
    }
}

#[tokio::test]
async fn blobs_records_and_the_program_are_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program {
        command: vec!["gunicorn".to_string(), "shop:app".to_string()],
        cwd: "/srv/shop".into(),
        root: "/srv/shop".into(),
        service: "shop".to_string(),
        environment: "production".to_string(),
        mode: "auto".to_string(),
        pid: 7,
        pid_started: u64::MAX,
        socket: "/run/x".into(),
        api: "http://127.0.0.1:1".to_string(),
    };
    let sha256 = {
        let store = Store::open(folder.path()).await.unwrap();
        assert_eq!(store.program().await.unwrap(), None);
        store.put_program(&program).await.unwrap();
        store
            .put_meta("stopped", &IncidentId::new("x"))
            .await
            .unwrap();
        let first = store
            .put_blob(&HealId::new("h"), b"def f(): ...\r\n\xff")
            .await
            .unwrap();
        let second = store
            .put_blob(&HealId::new("h"), b"def f(): ...\r\n\xff")
            .await
            .unwrap();
        assert_eq!(first, second);
        store.close().await;
        first
    };
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.program().await.unwrap(), Some(program));
    assert_eq!(
        store.get_meta("stopped").await.unwrap(),
        Some(IncidentId::new("x"))
    );
    assert_eq!(
        store.get_blob(&sha256).await.unwrap().unwrap(),
        b"def f(): ...\r\n\xff"
    );
    assert_eq!(store.get_blob("00").await.unwrap(), None);
}
