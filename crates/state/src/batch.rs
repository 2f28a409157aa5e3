//! One commit: what must hold, and what is written when it does.

use domain::Timestamp;

use crate::error::StoreError;
use crate::lease::{Fence, Lease};
use crate::ledger::Transaction;

/// What an object must look like for a write to it to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything, or nothing.
    Any,
    /// It does not exist.
    Absent,
    /// It exists at this version.
    Version(u64),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Writes an object.
    Put { kind: String, name: String, body: String, expect: Expect },
    /// Removes an object. With [`Expect::Any`] its absence is fine.
    Delete { kind: String, name: String, expect: Expect },
    /// Adds an entry to the end of a journal, which keeps the latest [`JOURNAL_ENTRIES_MAX`] and a few more.
    Append { journal: String, body: String },
    /// Takes a lease that is free, expired at `now`, or already held by `holder`. Each taking by a new holder, or
    /// after expiry, gives a larger fencing token.
    TakeLease { name: String, holder: String, now: Timestamp, ttl_millis: u32 },
    /// Extends a lease held under `fence`. One that expired is lost even if nobody took it: take it again, and with
    /// the new token read again whatever was decided under the old one.
    RenewLease { fence: Fence, now: Timestamp, ttl_millis: u32 },
    /// Gives a lease back. Its token is never given again.
    ReleaseLease { fence: Fence },
    /// Posts a balanced transaction to the ledger. A transaction id that was posted before is refused.
    Post(Transaction),
}

/// Changes that happen together or not at all, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Leases that must still be held by these tokens.
    pub fences: Vec<Fence>,
    /// The changes.
    pub writes: Vec<Write>,
}

/// Most writes and fences in one batch.
pub const BATCH_WRITES_MAX: usize = 10_000;

/// Most bytes of text (names and bodies together) in one batch.
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes in a kind, a name, a holder, an account or a transaction id.
pub const NAME_BYTES_MAX: usize = 512;

/// A journal keeps at least so many of its latest entries; older ones go.
pub const JOURNAL_ENTRIES_MAX: u64 = 10_000;

/// Old entries of a journal are removed whenever so many were appended.
pub const JOURNAL_PRUNE_EVERY: u64 = 500;

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Demands that a lease is still held.
    #[must_use]
    pub fn fenced(mut self, fence: Fence) -> Self {
        self.fences.push(fence);
        self
    }

    /// Refuses a batch that no store may accept, whatever it holds: too large, a name that is empty or too long, a
    /// ledger transaction that does not balance. Backends call it before anything else.
    pub fn validate(&self) -> Result<(), StoreError> {
        if self.writes.len() + self.fences.len() > BATCH_WRITES_MAX {
            return Err(StoreError::Invalid(format!("more than {BATCH_WRITES_MAX} writes")));
        }
        for fence in &self.fences {
            check_name("lease", &fence.name)?;
        }
        for write in &self.writes {
            write.validate()?;
        }
        if self.bytes() > BATCH_BYTES_MAX {
            return Err(StoreError::Invalid(format!("more than {BATCH_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// Bytes of text in the batch: what bounds memory and one transaction.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fences: usize = self.fences.iter().map(|fence| fence.name.len()).sum();
        fences + self.writes.iter().map(Write::bytes).sum::<usize>()
    }
}

impl Write {
    fn validate(&self) -> Result<(), StoreError> {
        match self {
            Self::Put { kind, name, .. } | Self::Delete { kind, name, .. } => {
                check_name("kind", kind)?;
                check_name("name", name)
            }
            Self::Append { journal, .. } => check_name("journal", journal),
            Self::TakeLease { name, holder, .. } => {
                check_name("lease", name)?;
                check_name("holder", holder)
            }
            Self::RenewLease { fence, .. } | Self::ReleaseLease { fence } => check_name("lease", &fence.name),
            Self::Post(transaction) => {
                check_name("transaction", &transaction.id)?;
                transaction.postings.iter().try_for_each(|posting| check_name("account", &posting.account.0))?;
                transaction.validate()
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put { kind, name, body, .. } => kind.len() + name.len() + body.len(),
            Self::Delete { kind, name, .. } => kind.len() + name.len(),
            Self::Append { journal, body } => journal.len() + body.len(),
            Self::TakeLease { name, holder, .. } => name.len() + holder.len(),
            Self::RenewLease { fence, .. } | Self::ReleaseLease { fence } => fence.name.len(),
            Self::Post(transaction) => {
                let legs: usize = transaction.postings.iter().map(|posting| posting.account.0.len() + 8).sum();
                transaction.id.len() + legs
            }
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<(), StoreError> {
    if name.is_empty() {
        return Err(StoreError::Invalid(format!("an empty {what}")));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(StoreError::Invalid(format!("a {what} of {} bytes; at most {NAME_BYTES_MAX}", name.len())));
    }
    Ok(())
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The revision it made; larger than every earlier one.
    pub revision: u64,
    /// Offsets of the appended entries, in the order of the batch.
    pub offsets: Vec<u64>,
    /// Leases taken or renewed, in the order of the batch.
    pub leases: Vec<Lease>,
    /// Old entries that were removed from journals.
    pub pruned: u64,
}
