//! A store whose disk is full now and then, and a local cloud that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use state::memory::MemoryStore;
use state::{Account, Batch, Committed, Entry, Lease, Object, Store, StoreError};
use tokio::sync::watch;

use crate::world::{Folder, World, instances_of, kill};

#[derive(Default)]
struct FullStore {
    memory: MemoryStore,
    is_full: AtomicBool,
}

#[async_trait]
impl Store for FullStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        self.memory.get(kind, name).await
    }
    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError> {
        self.memory.list(kind, after, limit).await
    }
    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.memory.read_journal(journal, offset, limit).await
    }
    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.memory.lease(name).await
    }
    async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        self.memory.balance(account).await
    }
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError::DiskFull);
        }
        self.memory.commit(batch).await
    }
    fn watch(&self) -> watch::Receiver<u64> {
        self.memory.watch()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_full_disk_the_cloud_goes_on_and_meanwhile_says_so() {
    let store = Arc::new(FullStore::default());
    let world = World::start_with(Arc::new(Folder::new()), store.clone(), |_| {}).await;
    world.deploy("us-east", 2, "deploy").await.expect("it deploys");
    let before = world.until_ready("us-east", 2).await;
    store.is_full.store(true, Ordering::SeqCst);
    let (victim, pid) = instances_of(world.folder.path())[0].clone();
    kill(pid);
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    loop {
        let health = world.health().await;
        let told = |region: &cloud::contract::tools::RegionHealth| {
            region.reason.as_ref().is_some_and(|reason| reason.contains("the disk is full"))
        };
        if health.regions.iter().all(told) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "it never says so: {health:?}");
        tokio::task::yield_now().await;
    }
    assert!(world.scale("us-east", 3, &[], "three").await.is_err());
    store.is_full.store(false, Ordering::SeqCst);
    let gone = |pool: &cloud::contract::tools::Nodepool| pool.instances.iter().all(|one| one.id != victim);
    world.until("us-east", "without the victim", gone).await;
    let healed = world.until_ready("us-east", 2).await;
    let kept = healed.instances.iter().filter(|one| before.instances.iter().any(|other| other.id == one.id)).count();
    assert_eq!(kept, 1, "the other one was left alone");
    assert!(world.health().await.regions.iter().all(|region| region.reason.is_none()));
    world.stop().await;
}
