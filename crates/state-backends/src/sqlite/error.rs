//! SQLite's failures in the store's words.

use std::path::PathBuf;

use domain::{Kind, Problem};
use rusqlite::ErrorCode;
use state::StoreError;

/// Why a file was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, owns it.
    #[error("{} is in use by {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
    /// It is something else.
    #[error("{} is not a store of mcp: {cause}", path.display())]
    Foreign { path: PathBuf, cause: String },
    /// A newer version wrote it.
    #[error("{} has schema {found}; this version knows up to {known}", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// A setting that durability needs did not hold when it was read back.
    #[error("{} cannot be kept safely: {setting} is {found:?} and not {wanted:?}", path.display())]
    NotDurable { path: PathBuf, setting: &'static str, found: String, wanted: &'static str },
    /// The folder, the file or the lock could not be opened.
    #[error("{} cannot be opened: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    /// The file or the lock is not ours alone.
    #[error(transparent)]
    NotOurs(files::FileError),
    /// The database failed.
    #[error("the state cannot be opened: {0}")]
    Store(#[from] StoreError),
}

impl From<files::FileError> for OpenError {
    fn from(error: files::FileError) -> Self {
        match error {
            files::FileError::Io { path, cause } => Self::Io { path, cause },
            other => Self::NotOurs(other),
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        let cause = error.to_string();
        match error {
            OpenError::InUse { .. } => Self::new(Kind::Conflict, cause).next("stop the other one first: 'mcp down'"),
            OpenError::Foreign { .. } => {
                Self::invalid(cause).next("choose another data folder, or move the file out of the way")
            }
            OpenError::Newer { .. } => {
                Self::new(Kind::Unsupported, cause).next("run the version that wrote it, or a newer one")
            }
            OpenError::NotDurable { .. } => {
                Self::new(Kind::Unsupported, cause).next("put the data folder on a local disk; network folders cannot")
            }
            OpenError::Io { .. } => Self::new(Kind::Unavailable, cause)
                .next("check that the data folder exists and that you may write to it"),
            OpenError::NotOurs(inner) => Self::from(inner),
            OpenError::Store(inner) => Self::from(inner),
        }
    }
}

/// What a failed statement means for the caller.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable("another program holds the database locked".to_owned())
        }
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Unavailable(format!("the database is damaged: {error}")),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// For `map_err` at each call of the driver.
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    store_error(&error)
}
