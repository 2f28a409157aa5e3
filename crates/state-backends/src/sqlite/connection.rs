//! Connections, and the settings that durability rests on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use state::StoreError;

use super::OpenError;
use super::error::failed;

/// How long a statement waits for a foreign program that has locked the database, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Size to which the log shrinks again after it has been written back.
const LOG_KEPT_BYTES: i64 = 64 * 1024 * 1024;

/// Statements that a connection keeps prepared; more than there are.
const STATEMENTS_KEPT: usize = 64;

/// The one name of the file, through links, so that the lock is one too. Creates the file if it does not exist.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let io = |cause| OpenError::Io { path: path.to_owned(), cause };
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        Err(cause) => return Err(io(cause)),
    };
    files::open_private(&path)?;
    let path = path.canonicalize().map_err(io)?;
    // A new name in a folder is durable only when the folder is.
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    }
    Ok(path)
}

/// The writer's connection. Changes nothing in the file yet.
pub(super) fn open_for_writing(path: &Path, size_max_bytes: Option<u64>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags).map_err(failed)?;
    if let Some(bytes) = size_max_bytes {
        limit_size(&connection, bytes).map_err(failed)?;
    }
    Ok(connection)
}

/// A reader's connection, which cannot write.
pub(super) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Nothing stored in the file may run as code.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(connection)
}

fn limit_size(connection: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page_bytes.max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_row| Ok(()))
}

/// Writes the log back into the file and empties it, so that what is in the file is what the disk has said it holds.
pub(super) fn write_back(connection: &Connection) -> Result<(), StoreError> {
    let held = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let held = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], held).map_err(failed)?;
    if held == 0 {
        return Ok(());
    }
    Err(StoreError::Unavailable("another program or a long read holds the database".to_owned()))
}

/// Sets what durability needs, reads it back, and refuses a file for which it does not hold.
pub(super) fn make_durable(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    require(path, "journal_mode", mode, "wal")?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    // On macOS fsync alone does not reach the disk; elsewhere these change nothing.
    connection.pragma_update(None, "fullfsync", "ON").map_err(failed)?;
    connection.pragma_update(None, "checkpoint_fullfsync", "ON").map_err(failed)?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT_BYTES, |_row| Ok(())).map_err(failed)?;
    let level: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(failed)?;
    require(path, "synchronous", level.to_string(), "2")
}

fn require(path: &Path, setting: &'static str, found: String, wanted: &'static str) -> Result<(), OpenError> {
    if found == wanted {
        return Ok(());
    }
    Err(OpenError::NotDurable { path: path.to_owned(), setting, found, wanted })
}

#[cfg(test)]
mod tests {
    // A failed check is a failed test.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn number(connection: &Connection, setting: &str) -> i64 {
        connection.pragma_query_value(None, setting, |row| row.get(0)).unwrap()
    }

    /// Whether the settings do what they say is proved in `tests/it`: by failing syncs, by SIGKILL, by cut logs.
    #[test]
    fn the_writers_connection_syncs_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = resolve(&folder.path().join("state.db")).unwrap();
        let connection = open_for_writing(&path, None).unwrap();
        // Whatever the library was built with as its default.
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        make_durable(&connection, &path).unwrap();
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let full = 2;
        assert_eq!((mode.as_str(), number(&connection, "synchronous")), ("wal", full));
        assert_eq!((number(&connection, "fullfsync"), number(&connection, "checkpoint_fullfsync")), (1, 1));
        assert_eq!(number(&connection, "journal_size_limit"), LOG_KEPT_BYTES);
        assert_eq!(number(&connection, "trusted_schema"), 0);
    }

    #[test]
    fn a_setting_that_does_not_hold_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let refused = make_durable(&connection, Path::new("in memory")).unwrap_err();
        assert!(matches!(refused, OpenError::NotDurable { setting: "journal_mode", .. }), "{refused}");
    }

    #[test]
    fn a_readers_connection_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = resolve(&folder.path().join("state.db")).unwrap();
        open_for_writing(&path, None).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(open_for_reading(&path).unwrap().execute_batch("INSERT INTO t VALUES (1)").is_err());
    }
}
