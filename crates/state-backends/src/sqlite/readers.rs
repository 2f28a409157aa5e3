//! Reads on connections of their own: in WAL mode they neither wait for the writer nor hold it up.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use state::StoreError;
use tokio::sync::Semaphore;

use super::connection;
use super::error::failed;

/// A few connections, opened when they are first needed.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, at_once: usize) -> Self {
        Self { path, idle: Mutex::new(Vec::new()), turns: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Runs a query where it may block. More than the allowed number wait for their turn.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let stopped = |_| StoreError::Unavailable("the reader has stopped".to_owned());
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(stopped)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            // The turn lasts as long as the query, even if nobody waits for it any more.
            let _turn = turn;
            readers.read_now(query).map_err(failed)
        });
        reading.await.map_err(|error| StoreError::Unavailable(format!("a read stopped: {error}")))?
    }

    fn read_now<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_for_reading(&self.path)?,
        };
        let found = query(&connection);
        self.idle.lock().push(connection);
        found
    }

    /// Closes the connections that no read uses.
    pub(super) fn close_idle(&self) {
        self.idle.lock().clear();
    }
}
