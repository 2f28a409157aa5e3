//! A store that survives SIGKILL: the one in memory, with every commit in a file before it is acknowledged.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use state::memory::MemoryStore;
use state::{Account, Batch, Committed, Entry, Expect, Lease, Object, Store, StoreError, Write};
use tokio::sync::{Mutex, watch};

pub struct KeptStore {
    memory: MemoryStore,
    log: Mutex<File>,
}

/// The writes that a cloud makes.
#[derive(Serialize, Deserialize)]
enum Kept {
    Put { kind: String, name: String, body: String, expect: Option<u64> },
    Delete { kind: String, name: String },
    Append { journal: String, body: String },
}

impl KeptStore {
    pub async fn open(path: &Path) -> Self {
        let memory = MemoryStore::new();
        for line in std::fs::read_to_string(path).unwrap_or_default().split_inclusive('\n') {
            // A line without its end was never acknowledged.
            let Some(line) = line.strip_suffix('\n') else { break };
            let writes: Vec<Kept> = serde_json::from_str(line).expect("a commit");
            let batch = writes.into_iter().fold(Batch::new(), |batch, write| batch.with(write.into()));
            memory.commit(batch).await.expect("it was accepted before");
        }
        let log = File::options().create(true).append(true).open(path).expect("the log");
        Self { memory, log: Mutex::new(log) }
    }
}

impl From<Kept> for Write {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Put { kind, name, body, .. } => Self::Put { kind, name, body, expect: Expect::Any },
            Kept::Delete { kind, name } => Self::Delete { kind, name, expect: Expect::Any },
            Kept::Append { journal, body } => Self::Append { journal, body },
        }
    }
}

fn keep(write: &Write) -> Kept {
    match write.clone() {
        Write::Put { kind, name, body, .. } => Kept::Put { kind, name, body, expect: None },
        Write::Delete { kind, name, .. } => Kept::Delete { kind, name },
        Write::Append { journal, body } => Kept::Append { journal, body },
        other => panic!("a cloud does not write {other:?}"),
    }
}

#[async_trait]
impl Store for KeptStore {
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
        let kept: Vec<Kept> = batch.writes.iter().map(keep).collect();
        let mut line = serde_json::to_vec(&kept).expect("it serialises");
        line.push(b'\n');
        let mut log = self.log.lock().await;
        let committed = self.memory.commit(batch).await?;
        log.write_all(&line).and_then(|()| log.sync_data()).expect("the log takes it");
        Ok(committed)
    }
    fn watch(&self) -> watch::Receiver<u64> {
        self.memory.watch()
    }
}
