//! Where a [`state::Store`] is kept for good: SQLite. Each backend passes `state::store_suite!`.

pub mod sqlite;

pub use sqlite::SqliteStore;
