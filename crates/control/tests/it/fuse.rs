//! A fuse that blows at the n-th effect: from then on nothing happens any more, as when a process is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use state::{Account, Batch, Committed, Entry, Lease, MemoryStore, Object, Store, StoreError, Write};
use tokio::sync::{Notify, watch};

/// Counts effects, and blows.
#[derive(Debug)]
pub struct Fuse {
    left: AtomicI64,
    happens: AtomicBool,
    blown: Notify,
}

impl Fuse {
    /// A fuse that never blows.
    pub fn endless() -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(i64::MAX), happens: AtomicBool::new(false), blown: Notify::new() })
    }

    /// Blows at the effect after `effects` more; that one happens, unseen, or does not.
    pub fn arm(&self, effects: i64, happens: bool) {
        self.happens.store(happens, Ordering::SeqCst);
        self.left.store(effects, Ordering::SeqCst);
    }

    /// Effects that have passed since it was armed with `armed`.
    pub fn passed(&self, armed: i64) -> i64 {
        armed - self.left.load(Ordering::SeqCst)
    }

    /// Lets an effect pass, or never returns.
    pub async fn pass<T>(&self, effect: impl Future<Output = T>) -> T {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            return effect.await;
        }
        if left == 0 && self.happens.load(Ordering::SeqCst) {
            effect.await;
        }
        self.blown.notify_one();
        std::future::pending().await
    }

    /// Returns when it has blown.
    pub async fn blown(&self) {
        self.blown.notified().await;
    }
}

/// A store behind a fuse.
pub struct FusedStore {
    pub inner: Arc<MemoryStore>,
    pub fuse: Arc<Fuse>,
}

#[async_trait]
impl Store for FusedStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        self.inner.get(kind, name).await
    }

    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError> {
        self.inner.list(kind, after, limit).await
    }

    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.read_journal(journal, offset, limit).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        self.inner.lease(name).await
    }

    async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        self.inner.balance(account).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        // Leases are taken again after any kill: killing there is killing before the next effect.
        if batch.writes.iter().all(|write| matches!(write, Write::TakeLease { .. } | Write::RenewLease { .. })) {
            return self.inner.commit(batch).await;
        }
        self.fuse.pass(self.inner.commit(batch)).await
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.inner.watch()
    }
}
