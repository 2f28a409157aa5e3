//! The other side of the comparison: SQLite without a store around it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use state_backends::sqlite::Stats;
use tempfile::TempDir;

use crate::{OBJECTS, Run, body, micros_since};

/// What one would write without a store: the same rows, a shared connection, one transaction a commit.
pub(crate) fn run_plain(folder: &Path, writers: usize, length: Duration) -> anyhow::Result<Run> {
    let place = TempDir::with_prefix_in("bench-state-", folder)?;
    let connection = Connection::open(place.path().join("plain.db"))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE objects (kind TEXT, name TEXT, version INTEGER, body TEXT, PRIMARY KEY (kind, name)) STRICT;
         CREATE TABLE entries (journal TEXT, position INTEGER, body TEXT, PRIMARY KEY (journal, position)) STRICT;",
    )?;
    let connection = Mutex::new(connection);
    let started = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let shared = &connection;
        let threads: Vec<_> =
            (0..writers).map(|writer| scope.spawn(move || commit_plainly(shared, writer, started, length))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Run::from_latencies(started, latencies, Stats::default())
}

fn commit_plainly(
    connection: &Mutex<Connection>,
    writer: usize,
    started: Instant,
    length: Duration,
) -> anyhow::Result<Vec<u64>> {
    let mut latencies = Vec::new();
    while started.elapsed() < length {
        let begun = Instant::now();
        let number = latencies.len() as u64;
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let name = format!("{writer}/{}", number % OBJECTS);
        transaction.prepare_cached("INSERT OR REPLACE INTO objects VALUES ('bench', ?1, ?2, ?3)")?.execute((
            name,
            i64::try_from(number)?,
            body(),
        ))?;
        transaction.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3)")?.execute((
            format!("bench/{writer}"),
            i64::try_from(number)?,
            body(),
        ))?;
        transaction.commit()?;
        drop(connection);
        latencies.push(micros_since(begun));
    }
    Ok(latencies)
}
