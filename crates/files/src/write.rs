//! Files written whole or not at all, also when the power fails.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::O_NOFOLLOW;

use crate::FileError;

/// Writes `bytes` to the file at `path`, for its owner alone, so that a crash leaves the old file or the new one. The
/// folder exists. A link at `path` is replaced and not followed.
///
/// # Errors
/// When the disk is full or fails; nothing half-written stays.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let fresh = beside(path);
    // A leftover of a process that had our number.
    let _ = fs::remove_file(&fresh);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(O_NOFOLLOW);
    let mut file = options.open(&fresh).map_err(FileError::io(path))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|cause| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&fresh);
        FileError::io(path)(cause)
    })
}

/// A name beside `path` that no other writer of this process or another has.
fn beside(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".new-{}-{number}", std::process::id()));
    name.into()
}

/// The new name must survive too.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_written_whole_and_private_and_no_link_is_followed() {
        let root = tempfile::tempdir().expect("a folder");
        let (path, other) = (root.path().join("token"), root.path().join("other"));
        fs::write(&other, "untouched").expect("written");
        symlink(&other, &path).expect("a link");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read(&other).expect("read"), b"untouched");
        assert_eq!(fs::symlink_metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 2, "nothing else stays");
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("folder");
        fs::create_dir(&path).expect("a folder");
        assert!(write_private(&path, b"x").is_err());
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 1);
    }
}
