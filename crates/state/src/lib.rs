//! What is remembered: objects, journals, leases and a ledger, changed together by one atomic [`Store::commit`].
//!
//! A backend implements a handful of reads, `commit`, and `watch`; it knows no noun of the domain, so that memory,
//! SQLite and others stay small and equal. The module `suite` proves each backend. Nothing is announced before it is
//! committed: announcements are entries of the outbox journal, written by the same commit.
//!
//! To add a backend: implement [`apply::Rows`] over its transaction and [`Store`] around it, so that [`apply::apply`]
//! decides what a batch does; then call `state::store_suite!` in its tests (feature `suite`), which proves it equal to a
//! model.

pub mod apply;
pub mod batch;
pub mod error;
pub mod lease;
pub mod ledger;
pub mod memory;
pub mod objects;
#[cfg(any(test, feature = "suite"))]
pub mod suite;

use std::sync::Arc;

use async_trait::async_trait;
pub use batch::{Batch, Committed, Expect, Write};
pub use error::StoreError;
pub use lease::{Fence, Lease};
pub use ledger::{Account, Posting, Transaction};
pub use memory::MemoryStore;

use tokio::sync::watch;

/// A shared store.
pub type SharedStore = Arc<dyn Store>;

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its kind: a short constant, such as `deployment`.
    pub kind: String,
    /// Its name within the kind.
    pub name: String,
    /// The revision of the commit that last wrote it; what [`Expect::Version`] compares.
    pub version: u64,
    /// Its value, as JSON text.
    pub body: String,
}

/// A journal entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position in its journal: from 0, one more with each entry. The oldest entries of a long journal are gone.
    pub offset: u64,
    /// The revision of the commit that appended it.
    pub revision: u64,
    /// Its value, as JSON text.
    pub body: String,
}

/// Most rows that one read returns; a larger `limit` is held to it.
pub const PAGE_LIMIT: usize = 1_000;

/// A durable memory.
#[async_trait]
pub trait Store: Send + Sync {
    /// One object, or nothing.
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError>;

    /// Objects of a kind in byte order of name, after the name `after`, at most `limit`.
    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError>;

    /// Entries of a journal from `offset` on, at most `limit`; from the oldest that is kept when that one is gone.
    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// The lease of that name, whether or not it has expired.
    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError>;

    /// The balance of an account, in the account's unit; zero when nothing was ever posted to it.
    async fn balance(&self, account: &Account) -> Result<i64, StoreError>;

    /// All of the batch, or nothing of it. When this returns `Ok`, the batch survives the loss of power (where the
    /// backend is durable) and every later read sees it. Dropping the future does not take the batch back.
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError>;

    /// The revision of the latest commit; changes wake the receiver, and never before reads show them. Several commits
    /// may wake it once: read what matters, do not count wakes.
    fn watch(&self) -> watch::Receiver<u64>;
}
