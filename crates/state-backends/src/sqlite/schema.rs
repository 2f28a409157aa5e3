//! The tables, and how older files become new ones.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use state::StoreError;

use super::OpenError;
use super::error::failed;
use super::rows;

/// Marks the file as ours: "mcp1" in ASCII.
const APPLICATION_ID: i64 = 0x6d63_7031;

/// Step N makes schema N+1 of schema N. A step that has been released is never changed.
const MIGRATIONS: [&str; 1] = [
    // Bodies may be long, so objects and entries keep them out of their indexes; the other rows are short.
    "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
     INSERT INTO counter VALUES (1, 0);
     CREATE TABLE objects (kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,
                           PRIMARY KEY (kind, name)) STRICT;
     CREATE TABLE entries (journal TEXT NOT NULL, position INTEGER NOT NULL, revision INTEGER NOT NULL,
                           body TEXT NOT NULL, PRIMARY KEY (journal, position)) STRICT;
     CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL,
                          expires_at_micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE transactions (id TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE postings (transaction_id TEXT NOT NULL, leg INTEGER NOT NULL, account TEXT NOT NULL,
                            amount INTEGER NOT NULL, PRIMARY KEY (transaction_id, leg)) STRICT, WITHOUT ROWID;
     CREATE TABLE balances (account TEXT PRIMARY KEY, amount INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
];

/// The schema that this version writes.
const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Brings the file to [`KNOWN`], or refuses it before anything is written.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let found = inspect(connection, path)?;
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        run_step(connection, sql, step + 1).map_err(failed)?;
        tracing::info!(path = %path.display(), schema = step + 1, "state schema migrated");
    }
    Ok(())
}

/// The schema found: 0 in an empty file.
fn inspect(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let foreign = |cause: &str| OpenError::Foreign { path: path.to_owned(), cause: cause.to_owned() };
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => foreign("it is not a SQLite database"),
        _ => failed(error).into(),
    })?;
    let application = number("PRAGMA application_id").map_err(failed)?;
    let found = number("PRAGMA user_version").map_err(failed)?;
    match (application, found) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION_ID, 1..=KNOWN) => Ok(found),
        (APPLICATION_ID, _) if found > KNOWN => Err(OpenError::Newer { path: path.to_owned(), found, known: KNOWN }),
        _ => Err(foreign("another program made this SQLite database")),
    }
}

/// One step and its mark in one transaction: killed at any moment, the file has the old schema or the new one.
fn run_step(connection: &mut Connection, sql: &str, version: usize) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version as i64)?;
    transaction.commit()
}

/// The revision of the last commit.
pub(super) fn last_revision(connection: &Connection) -> Result<u64, StoreError> {
    connection.query_row("SELECT revision FROM counter", [], |row| rows::count(row, 0)).map_err(failed)
}
