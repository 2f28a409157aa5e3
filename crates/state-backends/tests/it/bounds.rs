//! A full disk, a full queue, and a stranger's lock.

use std::sync::Arc;

use rusqlite::Connection;
use state::{Batch, Expect, Store, StoreError, Write};
use state_backends::SqliteStore;
use state_backends::sqlite::SqliteOptions;
use tokio::task::JoinSet;

use crate::workload::check_file;

fn put(name: &str, bytes: usize) -> Batch {
    let write = Write::Put { kind: "thing".into(), name: name.into(), body: "x".repeat(bytes), expect: Expect::Any };
    Batch::new().with(write)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let small = SqliteOptions { size_max_bytes: Some(1_000_000), ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open_with(&path, small).unwrap());
    // Together, so that large and small ones meet in one transaction.
    let mut commits = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(&store);
        let is_large = number % 4 == 0;
        commits.spawn(async move {
            let outcome = store.commit(put(&number.to_string(), if is_large { 2_000_000 } else { 1_000 })).await;
            (is_large, outcome)
        });
    }
    while let Some(done) = commits.join_next().await {
        let (is_large, outcome) = done.unwrap();
        match outcome {
            Ok(_) => assert!(!is_large),
            Err(error) => assert!(is_large && error == StoreError::DiskFull, "{error}"),
        }
    }
    assert_eq!(store.list("thing", None, 1_000).await.unwrap().len(), 30);
    // It is full in earnest after some more, and takes writes again when something was removed.
    let mut kept = 0;
    while store.commit(put(&format!("more/{kept}"), 50_000)).await.is_ok() {
        kept += 1;
        assert!(kept < 100, "never full");
    }
    let delete = Write::Delete { kind: "thing".into(), name: "more/0".into(), expect: Expect::Any };
    store.commit(Batch::new().with(delete)).await.unwrap();
    store.commit(put("after", 40_000)).await.unwrap();
    drop(store);
    check_file(&path);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.list("thing", None, 1_000).await.unwrap().len(), 30 + kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_makes_commits_wait_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { queue_batches: 1, group_batches: 2, readers: 1, ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open_with(folder.path().join("state.db"), options).unwrap());
    let mut commits = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        commits.spawn(async move { store.commit(put(&number.to_string(), 1)).await.unwrap().revision });
    }
    let mut revisions = commits.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=100).collect::<Vec<_>>());
    let stats = store.stats();
    assert_eq!(stats.batches, 100);
    assert!((50..=100).contains(&stats.transactions), "at most two batches a transaction: {stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_a_commit_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let stranger = Connection::open(&path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = JoinSet::new();
    let writing = Arc::clone(&store);
    waiting.spawn(async move { writing.commit(put("a", 1)).await });
    assert_eq!(store.list("thing", None, 1).await.unwrap(), [], "nothing is shown before it is committed");
    stranger.execute_batch("ROLLBACK").unwrap();
    // On a busy machine the stranger may have held the lock for longer than a commit waits.
    let committed = waiting.join_all().await[0].is_ok();
    assert_eq!(store.list("thing", None, 1).await.unwrap().len(), usize::from(committed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_lock_is_named_and_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    let stranger = Connection::open(&path).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(put("a", 1)).await.unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    stranger.execute_batch("ROLLBACK").unwrap();
    store.commit(put("a", 1)).await.unwrap();
}
