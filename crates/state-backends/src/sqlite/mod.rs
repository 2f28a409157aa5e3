//! A store in one SQLite file, for one process: one writer thread with group commit, and readers beside it.
//!
//! The file is in WAL mode with `synchronous=FULL`, both read back at the start: `Ok` from a commit means that the disk
//! has said it is written. Not here: replication, and a second process. The lock says who owns the file.

mod connection;
mod error;
mod lock;
mod readers;
mod rows;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use state::{Account, Batch, Committed, Entry, Lease, Object, Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

pub use error::OpenError;
use lock::Lock;
use readers::Readers;
pub use writer::Stats;
use writer::{Counters, Request, Writer};

/// Bounds of a store. [`Default`] is right for a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOptions {
    /// Batches that may wait for the writer; a commit beyond them waits for its turn.
    pub queue_batches: usize,
    /// Most batches in one SQLite transaction.
    pub group_batches: usize,
    /// Bytes of text after which a transaction takes no further batch.
    pub group_bytes: usize,
    /// Reads that run at the same time.
    pub readers: usize,
    /// Size at which the file counts as full, beside the disk's own end.
    pub size_max_bytes: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue_batches: 1_024,
            group_batches: 512,
            group_bytes: 4 * 1024 * 1024,
            readers: 4,
            size_max_bytes: None,
        }
    }
}

/// The store in a SQLite file. Dropping it finishes the waiting commits and gives the file free.
#[derive(Debug)]
pub struct SqliteStore {
    // Taken only by `drop`, to let the writer end.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    revision: watch::Receiver<u64>,
    counters: Arc<Counters>,
}

impl SqliteStore {
    /// Opens or creates the store in the file `path`, in a folder that exists.
    ///
    /// # Errors
    /// When another process has it open, when the file is not such a store or is of a newer version, or when the disk
    /// under it cannot keep what was promised.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// As [`open`](Self::open), with bounds.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        let path = connection::resolve(path.as_ref())?;
        let lock = Lock::take(&path)?;
        let mut connection = connection::open_for_writing(&path, options.size_max_bytes)?;
        schema::migrate(&mut connection, &path)?;
        connection::make_durable(&connection, &path)?;
        let revision = watch::Sender::new(schema::last_revision(&connection)?);
        let readers = Arc::new(Readers::new(path.clone(), options.readers));
        let counters = Arc::new(Counters::default());
        let (requests, waiting) = mpsc::channel(options.queue_batches.max(1));
        let watching = revision.subscribe();
        let writer = Writer::new(path, connection, lock, waiting, revision, Arc::clone(&counters), options);
        let writer = writer.start()?;
        Ok(Self { requests: Some(requests), writer: Some(writer), readers, revision: watching, counters })
    }

    /// What the writer has done since the opening.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer's connection is closed last, so that it empties the log into the file.
        self.readers.close_idle();
        drop(self.requests.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: &str, name: &str) -> Result<Option<Object>, StoreError> {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.readers.read(move |connection| rows::get(connection, &kind, &name)).await
    }

    async fn list(&self, kind: &str, after: Option<&str>, limit: usize) -> Result<Vec<Object>, StoreError> {
        let (kind, after) = (kind.to_owned(), after.map(str::to_owned));
        self.readers.read(move |connection| rows::list(connection, &kind, after.as_deref(), limit)).await
    }

    async fn read_journal(&self, journal: &str, offset: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let journal = journal.to_owned();
        self.readers.read(move |connection| rows::read_journal(connection, &journal, offset, limit)).await
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, StoreError> {
        let name = name.to_owned();
        self.readers.read(move |connection| rows::lease(connection, &name)).await
    }

    async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        let account = account.0.clone();
        self.readers.read(move |connection| rows::balance(connection, &account)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        batch.validate()?;
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the writer has stopped".to_owned());
        let requests = self.requests.as_ref().ok_or_else(stopped)?;
        requests.send(Request { batch, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn watch(&self) -> watch::Receiver<u64> {
        let mut watching = self.revision.clone();
        // A new watcher has seen all up to now.
        watching.borrow_and_update();
        watching
    }
}
