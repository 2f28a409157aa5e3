//! One commit: what must hold, and what is written when it does.

use domain::Timestamp;

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
    /// Adds an entry to the end of a journal.
    Append { journal: String, body: String },
    /// Takes a lease that is free, expired at `now`, or already held by `holder`. Each taking by a new holder, or
    /// after expiry, gives a larger fencing token.
    TakeLease { name: String, holder: String, now: Timestamp, ttl_millis: u32 },
    /// Extends a lease held under `fence`.
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

/// Most writes in one batch.
pub const BATCH_WRITES_MAX: usize = 10_000;

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
}
