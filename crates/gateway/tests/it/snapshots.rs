//! Snapshots: followed in the store, kept on disk, acknowledged; and served by when the store is dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use domain::{GatewayStatus, RoutingSnapshot};
use parking_lot::Mutex;
use state::{Account, Batch, Committed, Entry, Expect, Lease, Object, Store, StoreError, Write, objects};
use tokio::sync::watch;

use crate::bench::{Bench, CHAT, config, eventually, routes, snapshot};
use crate::upstream::{Act, Upstream};

/// Objects alone, and a switch that makes every call fail.
pub struct SwitchedStore {
    objects: Mutex<BTreeMap<(String, String), Object>>,
    revision: watch::Sender<u64>,
    dead: AtomicBool,
}

impl SwitchedStore {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { objects: Mutex::default(), revision: watch::Sender::new(0), dead: AtomicBool::new(false) })
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.dead.load(Ordering::SeqCst) { Err(StoreError::Unavailable("switched off".to_owned())) } else { Ok(()) }
    }

    pub async fn publish(&self, snapshot: &RoutingSnapshot) {
        let write = objects::put(snapshot, Expect::Any).expect("JSON");
        self.commit(Batch::new().with(write)).await.expect("committed");
    }

    pub async fn status(&self) -> Option<GatewayStatus> {
        objects::get::<GatewayStatus>(self, "gateway").await.expect("read").map(|found| found.value)
    }
}

#[async_trait]
impl Store for SwitchedStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        self.alive()?;
        Ok(self.objects.lock().get(&(kind.to_owned(), name.to_owned())).cloned())
    }
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.alive()?;
        let revision = *self.revision.borrow() + 1;
        for write in batch.writes {
            let Write::Put { kind, name, body, .. } = write else { unreachable!("the gateway only puts") };
            let object = Object { kind: kind.clone(), name: name.clone(), version: revision, body };
            self.objects.lock().insert((kind, name), object);
        }
        self.revision.send_replace(revision);
        Ok(Committed { revision, ..Committed::default() })
    }
    fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
    async fn list(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<Object>, StoreError> {
        unreachable!("not used by the gateway")
    }
    async fn read_journal(&self, _: &str, _: u64, _: usize) -> Result<Vec<Entry>, StoreError> {
        unreachable!("not used by the gateway")
    }
    async fn lease(&self, _: &str) -> Result<Option<Lease>, StoreError> {
        unreachable!("not used by the gateway")
    }
    async fn balance(&self, _: &Account) -> Result<i64, StoreError> {
        unreachable!("not used by the gateway")
    }
}

async fn served_version(bench: &Bench) -> u64 {
    bench.get("/health").await.json()["snapshot_version"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_new_snapshot_is_served_by_kept_and_acknowledged() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let store = SwitchedStore::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway/snapshot.json");
    let bench =
        Bench::with_store(store.clone(), gateway::GatewayConfig { snapshot_file: Some(path.clone()), ..config() })
            .await;
    assert_eq!(bench.get("/health").await.status, 503, "it has no snapshot yet");
    for (version, upstream) in [(1, &a), (2, &b)] {
        store.publish(&snapshot(version, routes(&[upstream]))).await;
        eventually("taken over", || async { served_version(&bench).await == version }).await;
        assert_eq!(bench.chat(CHAT).await.status, 200);
        assert_eq!(upstream.seen().requests.len(), 1);
        eventually("acknowledged", || async {
            store.status().await.is_some_and(|status| status.snapshot_version == version)
        })
        .await;
    }
    eventually("on disk", || async {
        let bytes = std::fs::read(&path).unwrap_or_default();
        serde_json::from_slice::<RoutingSnapshot>(&bytes).is_ok_and(|snapshot| snapshot.version == 2)
    })
    .await;
}

#[tokio::test]
async fn with_the_store_dead_it_goes_on_serving_and_starts_again_from_disk() {
    let upstream = Upstream::start().await;
    let store = SwitchedStore::new();
    store.publish(&snapshot(3, routes(&[&upstream]))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let with_file = gateway::GatewayConfig { snapshot_file: Some(folder.path().join("snapshot.json")), ..config() };
    let bench = Bench::with_store(store.clone(), with_file.clone()).await;
    eventually("taken over", || async { served_version(&bench).await == 3 }).await;
    eventually("on disk", || async { folder.path().join("snapshot.json").exists() }).await;
    store.dead.store(true, Ordering::SeqCst);
    store.revision.send_modify(|revision| *revision += 1);
    assert_eq!(bench.chat(CHAT).await.status, 200);
    bench.stopped().await;

    let bench = Bench::with_store(store.clone(), with_file).await;
    eventually("from disk", || async { served_version(&bench).await == 3 }).await;
    assert_eq!(bench.chat(CHAT).await.status, 200);
    // The store comes back with news.
    store.dead.store(false, Ordering::SeqCst);
    store.publish(&snapshot(4, routes(&[&upstream]))).await;
    eventually("followed again", || async { served_version(&bench).await == 4 }).await;
}

#[tokio::test]
async fn what_runs_on_a_draining_replica_is_told_until_it_has_ended() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Stall);
    let store = SwitchedStore::new();
    store.publish(&snapshot(1, routes(&[&upstream]))).await;
    let bench = Bench::with_store(store.clone(), config()).await;
    eventually("taken over", || async { served_version(&bench).await == 1 }).await;
    let mut sender = bench.connect().await;
    let mut running =
        Box::pin(sender.send_request(crate::bench::post("/v1/chat/completions", crate::bench::KEY, CHAT)));
    tokio::select! {
        _ = &mut running => panic!("nobody answers"),
        () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
    }
    let mut draining = snapshot(2, routes(&[&upstream]));
    draining.models.values_mut().for_each(|route| route.replicas[0].draining = true);
    store.publish(&draining).await;
    let told = |in_flight: u32| {
        let expected = BTreeMap::from([("r0".to_owned(), in_flight)]);
        let store = Arc::clone(&store);
        move || {
            let (store, expected) = (Arc::clone(&store), expected.clone());
            async move { store.status().await.is_some_and(|status| status.draining == expected) }
        }
    };
    eventually("one runs", told(1)).await;
    assert_eq!(bench.chat(CHAT).await.status, 503, "nothing new goes to it");
    drop(running);
    drop(sender);
    eventually("none runs", told(0)).await;
}

#[tokio::test]
async fn a_gateway_with_no_news_says_that_it_is_there() {
    let store = SwitchedStore::new();
    store.publish(&snapshot(1, Vec::new())).await;
    let _bench = Bench::with_store(store.clone(), config()).await;
    let told_at = || async { store.status().await.map(|status| status.at) };
    eventually("acknowledged", || async { told_at().await.is_some() }).await;
    let first = told_at().await;
    eventually("told again", || async { told_at().await > first }).await;
}

/// A request that waits for a replica, or on one that dies, is answered by one that a snapshot brings meanwhile.
#[tokio::test]
async fn a_snapshot_that_arrives_while_a_request_waits_is_used_for_it() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    first.always(Act::Stall);
    let store = SwitchedStore::new();
    store.publish(&snapshot(1, Vec::new())).await;
    let mut config = config();
    config.patience_ms = 30_000;
    let bench = Bench::with_store(store.clone(), config).await;
    eventually("taken over", || async { served_version(&bench).await == 1 }).await;
    let mut asking = Box::pin(bench.chat(CHAT));
    let others = async {
        store.publish(&snapshot(2, routes(&[&first]))).await;
        first.wait("the one that came is asked", |seen| seen.requests.len() == 1).await;
        let mut next = snapshot(3, routes(&[&first, &second]));
        next.models.values_mut().for_each(|route| route.replicas[0].draining = true);
        store.publish(&next).await;
        eventually("taken over", || async { served_version(&bench).await == 3 }).await;
        first.kill().await;
    };
    let answer = tokio::select! {
        answer = &mut asking => panic!("nobody answers: {answer:?}"),
        () = others => asking.await,
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((first.seen().requests.len(), second.seen().requests.len()), (1, 1));
}

/// Its model is gone while it waits: it is refused in time, and nothing hangs.
#[tokio::test]
async fn a_model_that_is_taken_away_while_a_request_waits_ends_the_wait() {
    let store = SwitchedStore::new();
    store.publish(&snapshot(1, Vec::new())).await;
    let mut config = config();
    config.patience_ms = 400;
    let bench = Bench::with_store(store.clone(), config).await;
    eventually("taken over", || async { served_version(&bench).await == 1 }).await;
    let mut empty = snapshot(2, Vec::new());
    empty.models.clear();
    let (answer, ()) = tokio::join!(bench.chat(CHAT), store.publish(&empty));
    assert!(matches!((answer.status.as_u16(), answer.code().as_str()), (503, "no_replica") | (404, "model_not_found")));
}
