//! How a call can fail.

use domain::{Kind, Problem};

use crate::contract::envelope::Operation;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The tool ran, and refused or failed. Nothing was changed.
    #[error("{problem}")]
    Refused {
        /// Why.
        problem: Box<Problem>,
        /// The operation, when one was begun.
        operation: Option<Box<Operation>>,
    },
    /// No attempt got through. Whether one took effect is unknown: repeat with the same token.
    #[error("the cloud {cloud:?} cannot be reached: {cause}")]
    Unreachable {
        /// The cloud.
        cloud: String,
        /// What the last attempt met.
        cause: String,
    },
    /// No answer came in time. Whether it took effect is unknown: repeat with the same token.
    #[error("the cloud {cloud:?} did not answer within {after_ms} ms")]
    Timeout {
        /// The cloud.
        cloud: String,
        /// The deadline.
        after_ms: u64,
    },
    /// The cloud has not been answering, and is left alone for a while. Nothing was sent.
    #[error("the cloud {cloud:?} has not been answering")]
    Paused {
        /// The cloud.
        cloud: String,
        /// When it is tried again.
        retry_after_ms: u64,
    },
    /// The cloud does not accept the token.
    #[error("the cloud {cloud:?} does not accept the token")]
    Unauthenticated {
        /// The cloud.
        cloud: String,
    },
    /// What came back is not what the protocol and the contract say.
    #[error("the cloud {cloud:?} does not keep the contract: {cause}")]
    Protocol {
        /// The cloud.
        cloud: String,
        /// What is wrong.
        cause: String,
    },
}

impl CallError {
    /// Whether the call may have taken effect all the same.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let cause = error.to_string();
        match error {
            CallError::Refused { problem, .. } => *problem,
            CallError::Unreachable { .. } => {
                Self::new(Kind::Unavailable, cause).next("check that the cloud's server runs and can be reached")
            }
            CallError::Timeout { .. } => Self::new(Kind::Timeout, cause).next("repeat it with the same token"),
            CallError::Paused { retry_after_ms, .. } => {
                Self::new(Kind::Unavailable, cause).next("try again later").retry_after_ms(retry_after_ms)
            }
            CallError::Unauthenticated { .. } => {
                Self::new(Kind::Unauthenticated, cause).next("check key and audience of the cloud's tokens")
            }
            CallError::Protocol { .. } => Self::internal(cause).next("check the versions of both sides"),
        }
    }
}
