//! The one writer, with group commit: what waits while one transaction reaches the disk goes into the next one
//! together, so that many writers share one fsync (DeWitt et al., "Implementation techniques for main memory database
//! systems", 1984). Each batch has a savepoint, so that a refused one is undone alone. Nobody is answered before COMMIT
//! has returned.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use state::apply::apply;
use state::{Batch, Committed, StoreError};
use telemetry::metric::STATE_ENTRIES_PRUNED;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::failed;
use super::lock::Lock;
use super::rows::SqliteRows;
use super::{OpenError, SqliteOptions, connection, schema};

type Outcome = Result<Committed, StoreError>;

/// A batch that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// What a writer has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// SQLite transactions committed. With `synchronous=FULL` each syncs the log once; writing the log back into the
    /// file (every 1,000 pages) costs a few syncs more.
    pub transactions: u64,
    /// Batches committed in them.
    pub batches: u64,
}

/// [`Stats`] as they grow.
#[derive(Debug, Default)]
pub(super) struct Counters {
    transactions: AtomicU64,
    batches: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        Stats { transactions: self.transactions.load(Ordering::Relaxed), batches: self.batches.load(Ordering::Relaxed) }
    }
}

/// Owns the only connection that writes.
pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    requests: mpsc::Receiver<Request>,
    revision: watch::Sender<u64>,
    counters: Arc<Counters>,
    options: SqliteOptions,
    /// Why the connection has to be opened again before anything is written.
    broken: Option<StoreError>,
    // After the connection: fields are dropped in order, and the file is ours until it is closed.
    _lock: Lock,
}

impl Writer {
    pub(super) const fn new(
        path: PathBuf,
        connection: Connection,
        lock: Lock,
        requests: mpsc::Receiver<Request>,
        revision: watch::Sender<u64>,
        counters: Arc<Counters>,
        options: SqliteOptions,
    ) -> Self {
        Self { path, connection, requests, revision, counters, options, broken: None, _lock: lock }
    }

    /// Runs until the last sender is gone and the queue is empty.
    pub(super) fn start(self) -> Result<JoinHandle<()>, OpenError> {
        let started = telemetry::tasks::essential_thread("state-writer", move || self.run());
        started.map_err(|cause| StoreError::Unavailable(format!("no thread for the writer: {cause}")).into())
    }

    fn run(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            let group = gather(first, &mut self.requests, &self.options);
            self.commit(group);
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
        match self.commit_together(&group) {
            Ok(outcomes) => {
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    answer(request, outcome);
                }
            }
            // Neither a large batch nor one that meets a damaged row may take its neighbours with it.
            Err(Failure::OfOne(_)) if group.len() > 1 => {
                for request in group {
                    self.commit(vec![request]);
                }
            }
            Err(Failure::OfOne(failure) | Failure::OfAll(failure)) => {
                tracing::error!(batches = group.len(), %failure, "state commit failed");
                for request in group {
                    answer(request, Err(failure.clone()));
                }
            }
        }
    }

    /// One SQLite transaction. After an error here nobody was told that any of the group is kept. Room that is missing
    /// leaves the connection as it was; after any other failure it is opened again.
    fn commit_together(&mut self, group: &[Request]) -> Result<Vec<Outcome>, Failure> {
        self.recover().map_err(Failure::OfAll)?;
        let outcome = self.write_together(group);
        if let Err(Failure::OfOne(failure) | Failure::OfAll(failure)) = &outcome
            && (*failure != StoreError::DiskFull || !self.connection.is_autocommit())
        {
            self.broken = Some(failure.clone());
        }
        outcome
    }

    fn write_together(&mut self, group: &[Request]) -> Result<Vec<Outcome>, Failure> {
        let before = *self.revision.borrow();
        let of_all = |error| Failure::OfAll(failed(error));
        let mut transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(of_all)?;
        let mut revision = before;
        let mut pruned = 0;
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            let outcome = apply_alone(&mut transaction, revision + 1, &request.batch).map_err(Failure::OfOne)?;
            if let Ok(committed) = &outcome {
                (revision, pruned) = (committed.revision, pruned + committed.pruned);
            }
            outcomes.push(outcome);
        }
        if revision == before {
            return Ok(outcomes);
        }
        SqliteRows(&transaction).put_revision(revision).map_err(Failure::OfAll)?;
        transaction.commit().map_err(|error| match failed(error) {
            StoreError::DiskFull => Failure::OfOne(StoreError::DiskFull),
            failure => Failure::OfAll(failure),
        })?;
        self.counters.transactions.fetch_add(1, Ordering::Relaxed);
        self.counters.batches.fetch_add(revision - before, Ordering::Relaxed);
        metrics::counter!(STATE_ENTRIES_PRUNED.name).increment(pruned);
        self.revision.send_replace(revision);
        Ok(outcomes)
    }

    /// After a failed write or fsync nobody knows what the disk holds, and a second fsync may lie (Rebello et al.,
    /// "Can Applications Recover from fsync Failures?", 2020). So the file is opened again, the log is written back into
    /// it whole, and what is then read is what goes on: the batch that failed is in it or is not.
    fn recover(&mut self) -> Result<(), StoreError> {
        let Some(cause) = self.broken.clone() else { return Ok(()) };
        let (connection, found) = self.reopen().inspect_err(|error| {
            tracing::debug!(%error, "the state does not take writes yet");
        })?;
        let known = *self.revision.borrow();
        if found < known {
            let lost = format!("{} has lost commits: it is at revision {found}, not {known}", self.path.display());
            return Err(StoreError::Unavailable(lost));
        }
        self.connection = connection;
        self.broken = None;
        tracing::info!(%cause, revision = found, "the state takes writes again");
        if found > known {
            self.revision.send_replace(found);
        }
        Ok(())
    }

    fn reopen(&self) -> Result<(Connection, u64), StoreError> {
        // A transaction that could not be ended would hold the file against ourselves. It is kept no longer in any case.
        let _ = self.connection.execute_batch("ROLLBACK");
        let unusable = |error: OpenError| StoreError::Unavailable(error.to_string());
        let connection = connection::open_for_writing(&self.path, self.options.size_max_bytes).map_err(unusable)?;
        connection::make_durable(&connection, &self.path).map_err(unusable)?;
        connection::write_back(&connection)?;
        let found = schema::last_revision(&connection)?;
        Ok((connection, found))
    }
}

/// Why nothing of a group was written.
enum Failure {
    /// One batch may be the cause, and the others may succeed without it.
    OfOne(StoreError),
    /// No batch can be committed now.
    OfAll(StoreError),
}

/// The first request and what waits behind it, within bounds. Never waits for more.
fn gather(first: Request, requests: &mut mpsc::Receiver<Request>, options: &SqliteOptions) -> Vec<Request> {
    let mut bytes = first.batch.bytes();
    let mut group = vec![first];
    while group.len() < options.group_batches && bytes < options.group_bytes {
        let Ok(next) = requests.try_recv() else { break };
        bytes += next.batch.bytes();
        group.push(next);
    }
    group
}

/// One batch inside the group's transaction. The outer error is the store's, the inner one the batch's own.
fn apply_alone(
    transaction: &mut rusqlite::Transaction<'_>,
    revision: u64,
    batch: &Batch,
) -> Result<Outcome, StoreError> {
    // Dropped without a commit, a savepoint takes back what was done under it.
    let savepoint = transaction.savepoint().map_err(failed)?;
    match apply(&mut SqliteRows(&savepoint), revision, batch) {
        Ok(committed) => {
            savepoint.commit().map_err(failed)?;
            Ok(Ok(committed))
        }
        Err(refusal) if refusal.is_refusal() => {
            savepoint.finish().map_err(failed)?;
            Ok(Err(refusal))
        }
        Err(failure) => Err(failure),
    }
}

fn answer(request: Request, outcome: Outcome) {
    // Whoever asked may have gone; the commit stands all the same.
    let _gone = request.reply.send(outcome);
}

#[cfg(test)]
mod tests;
