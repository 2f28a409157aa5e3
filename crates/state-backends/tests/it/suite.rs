//! The suite over SQLite.

use std::sync::Arc;

use state::SharedStore;
use state::suite::Place;
use state_backends::SqliteStore;
use tempfile::TempDir;

struct File(TempDir);

impl Place for File {
    const DURABLE: bool = true;

    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> SharedStore {
        Arc::new(SqliteStore::open(self.0.path().join("state.db")).unwrap())
    }
}

state::store_suite!(File);
