//! Everything in memory, for tests and for throw-away runs. The same rules as the durable backends, from
//! [`apply`](crate::apply); a refused batch is taken back step by step.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::apply::{Rows, apply};
use crate::{Account, Batch, Committed, Entry, Lease, Object, PAGE_LIMIT, Store, StoreError, Transaction};

/// A store that forgets everything when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    revision: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { tables: Mutex::new(Tables::default()), revision: watch::Sender::new(0) }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        let tables = self.tables.lock();
        let kept = tables.objects.get(kind).and_then(|of_kind| of_kind.get(name));
        Ok(kept.map(|kept| kept.to_object(kind, name)))
    }

    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError> {
        let tables = self.tables.lock();
        let Some(of_kind) = tables.objects.get(kind) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = of_kind.range::<str, _>((start, Bound::Unbounded)).take(limit.min(PAGE_LIMIT));
        Ok(page.map(|(name, kept)| kept.to_object(kind, name)).collect())
    }

    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let tables = self.tables.lock();
        let Some(entries) = tables.journals.get(journal) else { return Ok(Vec::new()) };
        let from = entries.partition_point(|entry| entry.offset < offset);
        Ok(entries.range(from..).take(limit.min(PAGE_LIMIT)).cloned().collect())
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        Ok(self.tables.lock().leases.get(name).cloned())
    }

    async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        Ok(self.tables.lock().balances.get(&account.0).copied().unwrap_or_default())
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        batch.validate()?;
        let mut tables = self.tables.lock();
        let revision = tables.revision + 1;
        match apply(&mut *tables, revision, &batch) {
            Ok(committed) => {
                tables.revision = revision;
                tables.undo.clear();
                // Announced under the lock, so that revisions are announced in order.
                self.revision.send_replace(revision);
                Ok(committed)
            }
            Err(refusal) => {
                tables.take_back();
                Err(refusal)
            }
        }
    }

    fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

#[derive(Debug, Clone)]
struct Kept {
    version: u64,
    body: String,
}

impl Kept {
    fn to_object(&self, kind: &str, name: &str) -> Object {
        Object { kind: kind.to_owned(), name: name.to_owned(), version: self.version, body: self.body.clone() }
    }
}

#[derive(Debug, Default)]
struct Tables {
    revision: u64,
    objects: HashMap<String, BTreeMap<String, Kept>>,
    journals: HashMap<String, VecDeque<Entry>>,
    leases: HashMap<String, Lease>,
    transactions: HashSet<String>,
    balances: HashMap<String, i64>,
    undo: Vec<Undo>,
}

/// How to take one write back.
#[derive(Debug)]
enum Undo {
    Object(String, String, Option<Kept>),
    Append(String),
    Prune(String, VecDeque<Entry>),
    Lease(String, Option<Lease>),
    Transaction(String),
    Balance(String, Option<i64>),
}

impl Tables {
    fn take_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Object(kind, name, Some(kept)) => {
                    self.objects.entry(kind).or_default().insert(name, kept);
                }
                Undo::Object(kind, name, None) => {
                    self.objects.entry(kind).or_default().remove(&name);
                }
                Undo::Append(journal) => {
                    self.journals.entry(journal).or_default().pop_back();
                }
                Undo::Prune(journal, mut pruned) => {
                    let entries = self.journals.entry(journal).or_default();
                    pruned.append(entries);
                    *entries = pruned;
                }
                Undo::Lease(name, before) => put_back(&mut self.leases, name, before),
                Undo::Transaction(id) => {
                    self.transactions.remove(&id);
                }
                Undo::Balance(account, before) => put_back(&mut self.balances, account, before),
            }
        }
    }
}

fn put_back<T>(table: &mut HashMap<String, T>, key: String, before: Option<T>) {
    match before {
        Some(value) => table.insert(key, value),
        None => table.remove(&key),
    };
}

impl Rows for Tables {
    fn object_version(&mut self, kind: &str, name: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.objects.get(kind).and_then(|of_kind| of_kind.get(name)).map(|kept| kept.version))
    }

    fn put_object(&mut self, kind: &str, name: &str, version: u64, body: &str) -> Result<(), StoreError> {
        let of_kind = self.objects.entry(kind.to_owned()).or_default();
        let before = of_kind.insert(name.to_owned(), Kept { version, body: body.to_owned() });
        self.undo.push(Undo::Object(kind.to_owned(), name.to_owned(), before));
        Ok(())
    }

    fn delete_object(&mut self, kind: &str, name: &str) -> Result<(), StoreError> {
        let before = self.objects.get_mut(kind).and_then(|of_kind| of_kind.remove(name));
        self.undo.push(Undo::Object(kind.to_owned(), name.to_owned(), before));
        Ok(())
    }

    fn append(&mut self, journal: &str, revision: u64, body: &str) -> Result<u64, StoreError> {
        let entries = self.journals.entry(journal.to_owned()).or_default();
        let offset = entries.back().map_or(0, |last| last.offset + 1);
        entries.push_back(Entry { offset, revision, body: body.to_owned() });
        self.undo.push(Undo::Append(journal.to_owned()));
        Ok(offset)
    }

    fn prune(&mut self, journal: &str, before: u64) -> Result<u64, StoreError> {
        let entries = self.journals.entry(journal.to_owned()).or_default();
        let stays = entries.split_off(entries.partition_point(|entry| entry.offset < before));
        let pruned = std::mem::replace(entries, stays);
        let count = pruned.len() as u64;
        self.undo.push(Undo::Prune(journal.to_owned(), pruned));
        Ok(count)
    }

    fn lease(&mut self, name: &str) -> Result<Option<Lease>, StoreError> {
        Ok(self.leases.get(name).cloned())
    }

    fn put_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let before = self.leases.insert(lease.name.clone(), lease.clone());
        self.undo.push(Undo::Lease(lease.name.clone(), before));
        Ok(())
    }

    fn insert_transaction(&mut self, transaction: &Transaction, _revision: u64) -> Result<bool, StoreError> {
        let is_new = self.transactions.insert(transaction.id.clone());
        if is_new {
            self.undo.push(Undo::Transaction(transaction.id.clone()));
        }
        Ok(is_new)
    }

    fn balance(&mut self, account: &str) -> Result<i64, StoreError> {
        Ok(self.balances.get(account).copied().unwrap_or_default())
    }

    fn put_balance(&mut self, account: &str, amount: i64) -> Result<(), StoreError> {
        let before = self.balances.insert(account.to_owned(), amount);
        self.undo.push(Undo::Balance(account.to_owned(), before));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::MemoryStore;
    use crate::SharedStore;
    use crate::suite::Place;

    /// A new store at every opening: nothing is durable.
    struct Nowhere;

    impl Place for Nowhere {
        const DURABLE: bool = false;
        fn empty() -> Self {
            Self
        }
        fn open(&self) -> SharedStore {
            Arc::new(MemoryStore::new())
        }
    }

    crate::store_suite!(Nowhere);
}
