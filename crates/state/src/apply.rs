//! What a batch does to the rows of a store: the rules of [`Store::commit`](crate::Store::commit), written once for
//! every backend. Not here: atomicity. The backend undoes what was written when [`apply`] refuses halfway.

use crate::batch::{Batch, Committed, Expect, JOURNAL_ENTRIES_MAX, JOURNAL_PRUNE_EVERY, Write};
use crate::error::StoreError;
use crate::lease::{Fence, Lease};
use crate::ledger::Transaction;

/// The rows of a store inside one open transaction. Each method does one thing and decides nothing.
pub trait Rows {
    /// The version of an object, if it exists.
    fn object_version(&mut self, kind: &str, name: &str) -> Result<Option<u64>, StoreError>;
    /// Writes an object over whatever was there.
    fn put_object(&mut self, kind: &str, name: &str, version: u64, body: &str) -> Result<(), StoreError>;
    /// Removes an object, if it exists.
    fn delete_object(&mut self, kind: &str, name: &str) -> Result<(), StoreError>;
    /// Adds an entry after the last of a journal, and gives its offset.
    fn append(&mut self, journal: &str, revision: u64, body: &str) -> Result<u64, StoreError>;
    /// Removes a journal's entries before the offset `before`, and gives their number.
    fn prune(&mut self, journal: &str, before: u64) -> Result<u64, StoreError>;
    /// A lease, if it was ever taken.
    fn lease(&mut self, name: &str) -> Result<Option<Lease>, StoreError>;
    /// Writes a lease over whatever was there.
    fn put_lease(&mut self, lease: &Lease) -> Result<(), StoreError>;
    /// Keeps a transaction's id and legs; false when the id was there already, and then nothing is written.
    fn insert_transaction(&mut self, transaction: &Transaction, revision: u64) -> Result<bool, StoreError>;
    /// The balance of an account; zero when it has none.
    fn balance(&mut self, account: &str) -> Result<i64, StoreError>;
    /// Writes the balance of an account.
    fn put_balance(&mut self, account: &str, amount: i64) -> Result<(), StoreError>;
}

/// Applies a batch under the revision that its commit will have. On an error some writes may have been done: the
/// caller rolls back.
pub fn apply(rows: &mut impl Rows, revision: u64, batch: &Batch) -> Result<Committed, StoreError> {
    for fence in &batch.fences {
        held_lease(rows, fence)?;
    }
    let mut committed = Committed { revision, ..Committed::default() };
    for write in &batch.writes {
        apply_write(rows, write, &mut committed)?;
    }
    Ok(committed)
}

fn apply_write(rows: &mut impl Rows, write: &Write, committed: &mut Committed) -> Result<(), StoreError> {
    match write {
        Write::Put { kind, name, body, expect } => {
            check_expectation(rows, kind, name, *expect)?;
            rows.put_object(kind, name, committed.revision, body)
        }
        Write::Delete { kind, name, expect } => {
            check_expectation(rows, kind, name, *expect)?;
            rows.delete_object(kind, name)
        }
        Write::Append { journal, body } => {
            let offset = rows.append(journal, committed.revision, body)?;
            committed.offsets.push(offset);
            if let Some(before) = prune_before(offset) {
                committed.pruned += rows.prune(journal, before)?;
            }
            Ok(())
        }
        Write::TakeLease { name, holder, now, ttl_millis } => {
            let last = rows.lease(name)?;
            let token = next_token(last.as_ref(), holder, *now)?;
            let expires_at = now.plus_millis(i64::from(*ttl_millis));
            keep_lease(rows, Lease { name: name.clone(), holder: holder.clone(), token, expires_at }, committed)
        }
        Write::RenewLease { fence, now, ttl_millis } => {
            let lease = held_lease(rows, fence)?;
            if !lease.is_live(*now) {
                return Err(fenced(fence));
            }
            let expires_at = now.plus_millis(i64::from(*ttl_millis));
            keep_lease(rows, Lease { expires_at, ..lease }, committed)
        }
        Write::ReleaseLease { fence } => {
            let lease = held_lease(rows, fence)?;
            // The row stays: it remembers the last token, which must never be given again.
            rows.put_lease(&Lease { holder: String::new(), ..lease })
        }
        Write::Post(transaction) => post(rows, transaction, committed.revision),
    }
}

/// The offset before which entries go when one was appended at `offset`: every so often, so that an append costs the
/// same as ever.
const fn prune_before(offset: u64) -> Option<u64> {
    if offset > JOURNAL_ENTRIES_MAX && offset.is_multiple_of(JOURNAL_PRUNE_EVERY) {
        Some(offset - JOURNAL_ENTRIES_MAX)
    } else {
        None
    }
}

fn check_expectation(rows: &mut impl Rows, kind: &str, name: &str, expect: Expect) -> Result<(), StoreError> {
    if expect == Expect::Any {
        return Ok(());
    }
    let found = rows.object_version(kind, name)?;
    let wanted = match expect {
        Expect::Version(version) => Some(version),
        Expect::Any | Expect::Absent => None,
    };
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::Conflict { kind: kind.to_owned(), name: name.to_owned(), found })
}

/// The token of a new holding, or the same one when the holder still holds it.
fn next_token(last: Option<&Lease>, holder: &str, now: domain::Timestamp) -> Result<u64, StoreError> {
    match last {
        None => Ok(1),
        Some(lease) if !lease.is_live(now) => Ok(lease.token + 1),
        Some(lease) if lease.holder == holder => Ok(lease.token),
        Some(lease) => Err(StoreError::LeaseHeld { name: lease.name.clone(), holder: lease.holder.clone() }),
    }
}

fn keep_lease(rows: &mut impl Rows, lease: Lease, committed: &mut Committed) -> Result<(), StoreError> {
    rows.put_lease(&lease)?;
    committed.leases.push(lease);
    Ok(())
}

fn held_lease(rows: &mut impl Rows, fence: &Fence) -> Result<Lease, StoreError> {
    rows.lease(&fence.name)?.filter(|lease| lease.is_held_under(fence)).ok_or_else(|| fenced(fence))
}

fn fenced(fence: &Fence) -> StoreError {
    StoreError::Fenced { name: fence.name.clone(), shown: fence.token }
}

fn post(rows: &mut impl Rows, transaction: &Transaction, revision: u64) -> Result<(), StoreError> {
    if !rows.insert_transaction(transaction, revision)? {
        return Err(StoreError::AlreadyPosted(transaction.id.clone()));
    }
    for posting in &transaction.postings {
        let account = posting.account.0.as_str();
        let balance = rows.balance(account)?.checked_add(posting.amount).ok_or_else(|| {
            StoreError::Invalid(format!("transaction {:?} overflows account {account:?}", transaction.id))
        })?;
        rows.put_balance(account, balance)?;
    }
    Ok(())
}
