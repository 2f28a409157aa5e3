//! Which files are opened, and which are refused untouched.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::{Kind, Problem};
use rusqlite::Connection;
use state::{Batch, Store, Write};
use state_backends::SqliteStore;
use state_backends::sqlite::OpenError;

fn refusal(path: &Path) -> OpenError {
    SqliteStore::open(path).expect_err("refused")
}

#[test]
fn a_file_of_another_kind_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let text = "not a database, and long enough to hold a header of one hundred bytes. ".repeat(4);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(refusal(&path), OpenError::Foreign { .. }));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_database_of_another_program_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(Problem::from(error).kind, Kind::Invalid);
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(refusal(&path), OpenError::Newer { found: 99, .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_damaged_file_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(SqliteStore::open(&path).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    // All but the header's first hundred bytes.
    bytes[100..].fill(0xEE);
    std::fs::write(&path, bytes).unwrap();
    let error = refusal(&path);
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&folder.path().join("missing/state.db"));
    assert!(matches!(error, OpenError::Io { .. }));
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn only_its_owner_may_read_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let _store = SqliteStore::open(&path).unwrap();
    for name in ["state.db", "state.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

#[test]
fn a_file_has_one_owner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let link = folder.path().join("link.db");
    let store = SqliteStore::open(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let error = refusal(name);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        assert_eq!(Problem::from(error).kind, Kind::Conflict);
    }
    drop(store);
    SqliteStore::open(&link).unwrap();
}

#[tokio::test]
async fn what_durability_needs_holds_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    store.commit(Batch::new().with(Write::Append { journal: "j".into(), body: "{}".into() })).await.unwrap();
    let beside = Connection::open(&path).unwrap();
    let mode: String = beside.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let log = std::fs::metadata(folder.path().join("state.db-wal")).unwrap();
    assert!(log.len() > 0, "the commit is in the log");
}
