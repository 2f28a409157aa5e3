//! One process owns a file: a lock beside it, which the kernel gives free when the process dies, however it dies.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::OpenError;

/// Held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock for the database `path`, or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = lock_path(path);
        let io = |cause| OpenError::Io { path: lock_path.clone(), cause };
        // For us alone: whoever can open it can hold the lock. The file is never removed: a lock on a file that another
        // process has just unlinked locks nothing.
        let mut file = files::open_private(&lock_path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: path.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    }
}
