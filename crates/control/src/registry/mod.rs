//! What is registered and wanted: models, environments, deployments and keys, validated where they enter.
//!
//! Every check and the write that relies on it are one commit: what was checked is written again at the version that
//! was read, so that nothing can be removed in between.

pub mod deployments;
pub mod environments;
pub mod keys;
pub mod model_file;
pub mod models;
pub(crate) mod room;
pub(crate) mod scaling;

use domain::{Kind, Name, Problem};
use state::StoreError;

/// How often a change is tried again when what it relies on changed meanwhile.
const ATTEMPTS: u32 = 8;

/// A thing that was created, or that was there already and is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created<T> {
    /// The thing.
    pub value: T,
    /// Whether it was made now.
    pub new: bool,
}

/// Parses a name in the field `field`.
pub(crate) fn name_at(text: &str, field: &str) -> Result<Name, Problem> {
    text.parse::<Name>().map_err(|problem| problem.at(field))
}

/// Repeats `attempt` while what it relies on changes under it.
pub(crate) async fn until_settled<T, F: Future<Output = Result<T, ChangeError>>>(
    mut attempt: impl FnMut() -> F,
) -> Result<T, Problem> {
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(ChangeError::Store(StoreError::Conflict { .. })) => {}
            outcome => return outcome.map_err(Problem::from),
        }
    }
    attempt().await.map_err(Problem::from)
}

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The input or the state forbids it.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// The store refused; a conflict is tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(problem) => problem,
            ChangeError::Store(error) => error.into(),
        }
    }
}

pub(crate) fn conflict(cause: String, next: &str) -> Problem {
    Problem::new(Kind::Conflict, cause).next(next)
}
