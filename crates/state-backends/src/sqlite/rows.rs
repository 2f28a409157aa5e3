//! The statements: the rows that a commit changes, and what reads show.

use rusqlite::{Connection, OptionalExtension, Params, Row};
use state::apply::Rows;
use state::{Entry, Lease, Object, PAGE_LIMIT, StoreError, Transaction};

use super::error::failed;

/// The rows inside the open transaction of a connection.
pub(super) struct SqliteRows<'a>(pub(super) &'a Connection);

impl SqliteRows<'_> {
    fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize, StoreError> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters)).map_err(failed)
    }

    /// Remembers the revision of the last batch.
    pub(super) fn put_revision(&self, revision: u64) -> Result<(), StoreError> {
        self.execute("UPDATE counter SET revision = ?1", [signed(revision)]).map(drop)
    }
}

impl Rows for SqliteRows<'_> {
    fn object_version(&mut self, kind: &str, name: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT version FROM objects WHERE kind = ?1 AND name = ?2";
        first(self.0, sql, (kind, name), |row| count(row, 0)).map_err(failed)
    }

    fn put_object(&mut self, kind: &str, name: &str, version: u64, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO objects (kind, name, version, body) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version, body = excluded.body";
        self.execute(sql, (kind, name, signed(version), body)).map(drop)
    }

    fn delete_object(&mut self, kind: &str, name: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM objects WHERE kind = ?1 AND name = ?2", (kind, name)).map(drop)
    }

    fn append(&mut self, journal: &str, revision: u64, body: &str) -> Result<u64, StoreError> {
        let next = "SELECT position + 1 FROM entries WHERE journal = ?1 ORDER BY position DESC LIMIT 1";
        let position = first(self.0, next, [journal], |row| count(row, 0)).map_err(failed)?.unwrap_or_default();
        let sql = "INSERT INTO entries (journal, position, revision, body) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, (journal, signed(position), signed(revision), body))?;
        Ok(position)
    }

    fn prune(&mut self, journal: &str, before: u64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM entries WHERE journal = ?1 AND position < ?2";
        self.execute(sql, (journal, signed(before))).map(|removed| removed as u64)
    }

    fn lease(&mut self, name: &str) -> Result<Option<Lease>, StoreError> {
        lease(self.0, name).map_err(failed)
    }

    fn put_lease(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let sql = "INSERT INTO leases (name, holder, token, expires_at_micros) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token,
                                                    expires_at_micros = excluded.expires_at_micros";
        self.execute(sql, (&lease.name, &lease.holder, signed(lease.token), lease.expires_at.0)).map(drop)
    }

    fn insert_transaction(&mut self, transaction: &Transaction, revision: u64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO transactions (id, revision) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
        if self.execute(sql, (&transaction.id, signed(revision)))? == 0 {
            return Ok(false);
        }
        let sql = "INSERT INTO postings (transaction_id, leg, account, amount) VALUES (?1, ?2, ?3, ?4)";
        for (leg, posting) in (0_i64..).zip(&transaction.postings) {
            self.execute(sql, (&transaction.id, leg, &posting.account.0, posting.amount))?;
        }
        Ok(true)
    }

    fn balance(&mut self, account: &str) -> Result<i64, StoreError> {
        balance(self.0, account).map_err(failed)
    }

    fn put_balance(&mut self, account: &str, amount: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO balances (account, amount) VALUES (?1, ?2)
                   ON CONFLICT (account) DO UPDATE SET amount = excluded.amount";
        self.execute(sql, (account, amount)).map(drop)
    }
}

pub(super) fn get(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<Option<Object>> {
    let sql = "SELECT kind, name, version, body FROM objects WHERE kind = ?1 AND name = ?2";
    first(connection, sql, (kind, name), object)
}

pub(super) fn list(
    connection: &Connection,
    kind: &str,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<Object>> {
    // No name is empty, so every name comes after the empty one.
    let sql = "SELECT kind, name, version, body FROM objects WHERE kind = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    page(connection, sql, (kind, after.unwrap_or_default(), rows_limit(limit)), object)
}

pub(super) fn read_journal(
    connection: &Connection,
    journal: &str,
    offset: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT position, revision, body FROM entries WHERE journal = ?1 AND position >= ?2
               ORDER BY position LIMIT ?3";
    page(connection, sql, (journal, signed(offset), rows_limit(limit)), |row| {
        Ok(Entry { offset: count(row, 0)?, revision: count(row, 1)?, body: row.get(2)? })
    })
}

pub(super) fn lease(connection: &Connection, name: &str) -> rusqlite::Result<Option<Lease>> {
    let sql = "SELECT name, holder, token, expires_at_micros FROM leases WHERE name = ?1";
    first(connection, sql, [name], |row| {
        let expires_at = domain::Timestamp(row.get(3)?);
        Ok(Lease { name: row.get(0)?, holder: row.get(1)?, token: count(row, 2)?, expires_at })
    })
}

pub(super) fn balance(connection: &Connection, account: &str) -> rusqlite::Result<i64> {
    let found = first(connection, "SELECT amount FROM balances WHERE account = ?1", [account], |row| row.get(0))?;
    Ok(found.unwrap_or_default())
}

fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object { kind: row.get(0)?, name: row.get(1)?, version: count(row, 2)?, body: row.get(3)? })
}

fn first<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

fn page<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(parameters, read)?.collect()
}

fn rows_limit(limit: usize) -> i64 {
    signed(limit.min(PAGE_LIMIT) as u64)
}

/// SQLite's integers are signed. Our counters grow by one a write and do not reach the end of them; a larger number
/// in a question means "beyond everything".
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never negative, unless the file is damaged.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
