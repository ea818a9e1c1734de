//! The rows under the audit chain: order and continuity.

use homeostasis_store::{AuditAppendError, Store};

#[tokio::test]
async fn only_the_entry_that_continues_the_chain_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store.audit_append(1, "", "a", "first").await.unwrap();
    store.audit_append(2, "a", "b", "second").await.unwrap();
    for (number, previous) in [(2, "a"), (3, "a"), (4, "b"), (1, "")] {
        let error = store
            .audit_append(number, previous, "c", "third")
            .await
            .unwrap_err();
        assert!(matches!(error, AuditAppendError::Conflict { last: 2, .. }));
    }
    assert_eq!(store.audit_entries().await.unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn of_two_that_append_at_once_one_is_told_to_load_again() {
    let folder = tempfile::tempdir().unwrap();
    let one = Store::open(folder.path()).await.unwrap();
    let two = Store::open(folder.path()).await.unwrap();
    let (first, second) = tokio::join!(
        one.audit_append(1, "", "a", "one"),
        two.audit_append(1, "", "b", "two")
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    assert_eq!(one.audit_entries().await.unwrap().len(), 1);
}
