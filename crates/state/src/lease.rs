//! Leases with fencing tokens (Kleppmann, "How to do distributed locking", 2016): whoever lost a lease while it slept
//! shows an old token, and is refused.

use domain::Timestamp;

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// The fencing token: grows with every new holding.
    pub token: u64,
    /// From this instant on anybody may take it.
    pub expires_at: Timestamp,
}

/// Proof of holding a lease, shown with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lease's name.
    pub name: String,
    /// The token that taking it gave.
    pub token: u64,
}

impl Lease {
    /// The proof to show with commits.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), token: self.token }
    }

    /// Whether somebody holds it and `now` is before its end.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.holder.is_empty() && now < self.expires_at
    }

    /// Whether `fence` is the proof of this holding. Expiry alone does not end it: as long as nobody else took the
    /// lease, a commit under the old token can hurt nobody.
    #[must_use]
    pub fn is_held_under(&self, fence: &Fence) -> bool {
        !self.holder.is_empty() && self.token == fence.token
    }
}
