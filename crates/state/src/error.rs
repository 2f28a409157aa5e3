//! How a store can refuse.

use domain::{Kind, Problem};

/// Why a read or a commit did not happen. Nothing of a refused batch is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An object is not as the batch expected it.
    #[error("{kind} {name:?} has changed or exists already (found version {found:?})")]
    Conflict { kind: String, name: String, found: Option<u64> },
    /// A lease that the batch takes is held by another.
    #[error("lease {name:?} is held by {holder:?}")]
    LeaseHeld { name: String, holder: String },
    /// The token shown no longer holds the lease: taken by another, given back, or expired before it was renewed.
    #[error("lease {name:?} was lost: token {shown} does not hold it")]
    Fenced { name: String, shown: u64 },
    /// The transaction was posted before.
    #[error("transaction {0:?} was posted before")]
    AlreadyPosted(String),
    /// The batch breaks a rule of its own: too large, not balanced.
    #[error("the batch is not valid: {0}")]
    Invalid(String),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store cannot be reached, or failed. Whether the batch took effect may be unknown: read before repeating.
    #[error("the store failed: {0}")]
    Unavailable(String),
    /// What was read does not have the expected form.
    #[error("{kind} {name:?} cannot be read: {cause}")]
    Corrupt { kind: String, name: String, cause: String },
}

impl StoreError {
    /// Whether the batch itself was at fault, against what is stored: the same batch is refused again until something
    /// changes. Otherwise the store failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::LeaseHeld { .. }
            | Self::Fenced { .. }
            | Self::AlreadyPosted(_)
            | Self::Invalid(_) => true,
            Self::DiskFull | Self::Unavailable(_) | Self::Corrupt { .. } => false,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Conflict { .. } | StoreError::AlreadyPosted(_) => {
                Self::new(Kind::Conflict, cause).next("read it again and repeat the change")
            }
            StoreError::LeaseHeld { .. } | StoreError::Fenced { .. } => {
                Self::new(Kind::Conflict, cause).next("another process does this work; leave it to that one")
            }
            StoreError::Invalid(_) => Self::invalid(cause),
            StoreError::DiskFull => {
                Self::new(Kind::Unavailable, cause).next("free some space on the disk that holds the data folder")
            }
            StoreError::Unavailable(_) => {
                Self::new(Kind::Unavailable, cause).next("check the data folder with 'mcp doctor'")
            }
            StoreError::Corrupt { .. } => {
                Self::internal(cause).next("the data was written by another version: see 'mcp doctor'")
            }
        }
    }
}
