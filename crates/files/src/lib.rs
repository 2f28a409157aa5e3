//! Files that are nobody else's: private folders, private files written whole or not at all, and plain files of others
//! that are opened without being held up.
//!
//! Another user of the machine may have made what lies at a path before us: a link, a FIFO, a file that they can write.
//! Nothing here follows such a thing, waits for it or trusts it. Everything blocks for as long as the disk takes.

mod folder;
mod open;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use domain::{Kind, Problem};

pub use folder::private_folder;
pub use open::{open_plain, open_private, read_private};
pub use write::write_private;

/// Why a file or folder was not used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: io::Error },
    /// It is a folder, a link, a FIFO, a socket or a device.
    #[error("{} is not a plain file", path.display())]
    NotPlain { path: PathBuf },
    /// Somebody else owns it, and may change or hold it at any time.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    ForeignOwner { path: PathBuf, owner: u32 },
    /// Others may read it.
    #[error("{} can be read by others", path.display())]
    Readable { path: PathBuf },
    /// Others may put files there.
    #[error("{} is a folder in which others can make and replace files", path.display())]
    Shared { path: PathBuf },
    /// It is larger than what is read of such a file.
    #[error("{} is larger than {max_bytes} bytes", path.display())]
    TooLarge { path: PathBuf, max_bytes: u64 },
}

impl FileError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |cause| Self::Io { path: path.to_owned(), cause }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        let text = error.to_string();
        match error {
            FileError::Io { cause, .. } => of_io(&text, &cause),
            FileError::NotPlain { .. } => Self::invalid(text).next("name a plain file, or move what is there away"),
            FileError::ForeignOwner { path, .. } => Self::new(Kind::Forbidden, text)
                .next(format!("choose another folder with --data-dir, or make {} your own", path.display())),
            FileError::Readable { path } => {
                Self::new(Kind::Forbidden, text).next(format!("run: chmod 600 {}", path.display()))
            }
            FileError::Shared { .. } => Self::new(Kind::Forbidden, text)
                .next("choose a folder of your own with --data-dir; mcp makes it when it is missing"),
            FileError::TooLarge { .. } => Self::new(Kind::TooLarge, text).next("check that it is the right file"),
        }
    }
}

/// What the system's refusal means, with a hint that fits.
fn of_io(text: &str, cause: &io::Error) -> Problem {
    let (kind, hint) = match cause.kind() {
        io::ErrorKind::StorageFull => (Kind::Unavailable, "free some space on that disk"),
        io::ErrorKind::PermissionDenied => (Kind::Forbidden, "choose a folder you may write to with --data-dir"),
        io::ErrorKind::NotFound => (Kind::NotFound, "check the path"),
        _ => (Kind::Internal, "run 'mcp doctor'"),
    };
    Problem::new(kind, text).next(hint)
}
