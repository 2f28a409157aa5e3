//! All or nothing, in order, and nothing lost between writers.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Place, append, at_millis, one, put};
use crate::batch::{BATCH_BYTES_MAX, BATCH_WRITES_MAX, NAME_BYTES_MAX};
use crate::{Account, Batch, Expect, Fence, Posting, SharedStore, StoreError, Transaction, Write};

/// Long enough for a slow disk, short enough for a test that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

pub async fn versions_guard_writes(place: &impl Place) {
    let store = place.open();
    let first = store.commit(one(put("a", "1", Expect::Absent))).await.unwrap().revision;
    let conflict = |found| Err(StoreError::Conflict { kind: "thing".into(), name: "a".into(), found });
    assert_eq!(store.commit(one(put("a", "2", Expect::Absent))).await, conflict(Some(first)));
    assert_eq!(store.commit(one(put("a", "2", Expect::Version(first + 1)))).await, conflict(Some(first)));
    let second = store.commit(one(put("a", "2", Expect::Version(first)))).await.unwrap().revision;
    assert!(second > first);
    assert_eq!(store.commit(one(put("a", "3", Expect::Version(first)))).await, conflict(Some(second)));
    let third = store.commit(one(put("a", "3", Expect::Any))).await.unwrap().revision;
    let delete = |expect| one(Write::Delete { kind: "thing".into(), name: "a".into(), expect });
    assert_eq!(store.commit(delete(Expect::Version(second))).await, conflict(Some(third)));
    assert_eq!(store.commit(delete(Expect::Absent)).await, conflict(Some(third)));
    store.commit(delete(Expect::Version(third))).await.unwrap();
    assert_eq!(store.get("thing", "a").await.unwrap(), None);
    assert_eq!(store.commit(delete(Expect::Version(third))).await, conflict(None));
    store.commit(delete(Expect::Any)).await.unwrap();
    assert_eq!(store.commit(one(put("a", "4", Expect::Version(u64::MAX)))).await, conflict(None));
}

pub async fn a_refused_batch_writes_nothing(place: &impl Place) {
    let store = place.open();
    let lease = Write::TakeLease { name: "l".into(), holder: "me".into(), now: at_millis(0), ttl_millis: 10 };
    let held = store.commit(one(put("a", "old", Expect::Absent)).with(lease)).await.unwrap();
    let revision = *store.watch().borrow();
    let everything = Batch::new()
        .with(put("a", "new", Expect::Any))
        .with(put("b", "new", Expect::Any))
        .with(Write::Delete { kind: "thing".into(), name: "a".into(), expect: Expect::Any })
        .with(append("log", "1"))
        .with(Write::TakeLease { name: "m".into(), holder: "me".into(), now: at_millis(0), ttl_millis: 10 })
        .with(Write::RenewLease { fence: held.leases[0].fence(), now: at_millis(1), ttl_millis: 99 })
        .with(Write::ReleaseLease { fence: held.leases[0].fence() })
        .with(Write::Post(transfer("t", 5)))
        .with(put("missing", "{}", Expect::Version(1)));
    assert!(matches!(store.commit(everything).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.get("thing", "a").await.unwrap().unwrap().body, "old");
    assert_eq!(store.get("thing", "b").await.unwrap(), None);
    assert_eq!(store.read_journal("log", 0, 10).await.unwrap(), []);
    assert_eq!(store.lease("m").await.unwrap(), None);
    assert_eq!(store.lease("l").await.unwrap().as_ref(), Some(&held.leases[0]));
    assert_eq!(store.balance(&Account("usd/in".into())).await.unwrap(), 0);
    assert_eq!(*store.watch().borrow(), revision, "a refusal is no commit");
    store.commit(one(Write::Post(transfer("t", 5)))).await.unwrap();
}

pub async fn a_batch_sees_its_own_writes(place: &impl Place) {
    let store = place.open();
    let first = store.commit(one(put("a", "1", Expect::Absent)).with(put("b", "1", Expect::Absent))).await.unwrap();
    let batch = Batch::new()
        .with(Write::Delete { kind: "thing".into(), name: "a".into(), expect: Expect::Version(first.revision) })
        .with(put("a", "2", Expect::Absent))
        .with(put("a", "3", Expect::Version(first.revision + 1)));
    let second = store.commit(batch).await.unwrap();
    assert_eq!(second.revision, first.revision + 1);
    let object = store.get("thing", "a").await.unwrap().unwrap();
    assert_eq!((object.version, object.body.as_str()), (second.revision, "3"));
}

pub async fn what_no_store_may_accept_is_refused(place: &impl Place) {
    let store = place.open();
    let too_many = (0..=BATCH_WRITES_MAX).fold(Batch::new(), |batch, _| batch.with(append("log", "")));
    let too_large = one(put("a", &"x".repeat(BATCH_BYTES_MAX), Expect::Any));
    let too_long = one(put(&"x".repeat(NAME_BYTES_MAX + 1), "{}", Expect::Any));
    let nameless = Batch::new().fenced(Fence { name: String::new(), token: 1 });
    for batch in [too_many, too_large, too_long, nameless, one(append("", "{}"))] {
        assert!(matches!(store.commit(batch).await, Err(StoreError::Invalid(_))));
    }
    assert_eq!(*store.watch().borrow(), 0);
    let most = (0..BATCH_WRITES_MAX).fold(Batch::new(), |batch, _| batch.with(append("log", "")));
    assert_eq!(store.commit(most).await.unwrap().offsets.len(), BATCH_WRITES_MAX);
    store.commit(one(put(&"x".repeat(NAME_BYTES_MAX), "{}", Expect::Any))).await.unwrap();
}

pub async fn watch_wakes_after_the_commit_and_never_before(place: &impl Place) {
    let store = place.open();
    let mut watch = store.watch();
    let last = 50;
    let writer = Arc::clone(&store);
    let mut writers = JoinSet::new();
    writers.spawn(async move {
        for number in 1..=last {
            writer.commit(one(append("log", &number.to_string()))).await.unwrap();
        }
    });
    let watching = async {
        let mut seen = 0;
        while seen < last {
            watch.changed().await.unwrap();
            let revision = *watch.borrow_and_update();
            assert!(revision > seen, "revisions grow");
            seen = revision;
            let entries = store.read_journal("log", 0, 1_000).await.unwrap();
            assert!(entries.len() as u64 >= revision, "woken before revision {revision} could be read");
        }
    };
    tokio::time::timeout(DEADLINE, watching).await.expect("every commit wakes");
    let mut late = store.watch();
    assert_eq!(*late.borrow(), last);
    assert!(!late.has_changed().unwrap(), "a new watcher has seen all up to now");
    store.commit(one(put("missing", "{}", Expect::Version(1)))).await.unwrap_err();
    assert!(!late.has_changed().unwrap(), "a refusal wakes nobody");
    store.commit(Batch::new()).await.unwrap();
    assert_eq!(*late.borrow_and_update(), last + 1);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
}

pub async fn concurrent_increments_lose_nothing(place: &impl Place) {
    let store = place.open();
    let (writers, increments) = (8, 15);
    store.commit(one(put("counter", "0", Expect::Absent))).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..increments {
                increment(&store).await;
            }
        });
    }
    let all = async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("every writer gets its turn");
    let total = writers * increments;
    assert_eq!(store.get("thing", "counter").await.unwrap().unwrap().body, total.to_string());
    let entries = store.read_journal("increments", 0, 1_000).await.unwrap();
    let expected: Vec<_> = (1..=total).map(|number| number.to_string()).collect();
    assert_eq!(entries.into_iter().map(|entry| entry.body).collect::<Vec<_>>(), expected);
}

async fn increment(store: &SharedStore) {
    loop {
        let object = store.get("thing", "counter").await.unwrap().unwrap();
        let next = (object.body.parse::<u64>().unwrap() + 1).to_string();
        // The entry first, so that a refused batch has something to take back.
        let batch = one(append("increments", &next)).with(put("counter", &next, Expect::Version(object.version)));
        match store.commit(batch).await {
            Ok(_) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

fn transfer(id: &str, amount: i64) -> Transaction {
    let leg = |account: &str, amount| Posting { account: Account(account.into()), amount };
    Transaction { id: id.into(), postings: vec![leg("usd/in", amount), leg("usd/out", -amount)] }
}
