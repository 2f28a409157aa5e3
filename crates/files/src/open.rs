//! Opening what may be something else than it should be.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;

use crate::FileError;

/// Opens a plain file of anybody's for reading, through links. A FIFO, a device or a folder is refused, and never waited
/// for.
///
/// # Errors
/// When it is no plain file, or cannot be opened.
pub fn open_plain(path: &Path) -> Result<File, FileError> {
    // Looked at first, because opening alone already does something to some devices.
    let found = fs::metadata(path).map_err(FileError::io(path))?;
    if !found.is_file() {
        return Err(FileError::NotPlain { path: path.to_owned() });
    }
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path).map_err(FileError::io(path))?;
    if file.metadata().map_err(FileError::io(path))?.is_file() {
        Ok(file)
    } else {
        Err(FileError::NotPlain { path: path.to_owned() })
    }
}

/// Opens a file of our own for reading and writing, for its owner alone; makes it when it is missing. What is in it
/// stays. One that others can read or write is closed to them.
///
/// # Errors
/// When it is a link or no plain file, when somebody else owns it, or when it cannot be opened.
pub fn open_private(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let file = options.open(path).map_err(|cause| refused(path, cause))?;
    let found = owned(path, &file)?;
    if found.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(FileError::io(path))?;
    }
    Ok(file)
}

/// The text of a private file of at most `max_bytes`, or nothing when there is none.
///
/// # Errors
/// When it is a link or no plain file, when somebody else owns it or may read it, or when it is too large.
pub fn read_private(path: &Path, max_bytes: u64) -> Result<Option<String>, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(refused(path, cause)),
    };
    if owned(path, &file)?.mode() & 0o077 != 0 {
        return Err(FileError::Readable { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(max_bytes.saturating_add(1)).read_to_string(&mut text).map_err(FileError::io(path))?;
    if text.len() as u64 > max_bytes {
        return Err(FileError::TooLarge { path: path.to_owned(), max_bytes });
    }
    Ok(Some(text))
}

/// What the open file is: a plain file of ours.
fn owned(path: &Path, file: &File) -> Result<fs::Metadata, FileError> {
    let found = file.metadata().map_err(FileError::io(path))?;
    if !found.is_file() {
        return Err(FileError::NotPlain { path: path.to_owned() });
    }
    if found.uid() != geteuid().as_raw() {
        return Err(FileError::ForeignOwner { path: path.to_owned(), owner: found.uid() });
    }
    Ok(found)
}

/// A link, a socket and a folder are told apart from other refusals by looking again.
fn refused(path: &Path, cause: std::io::Error) -> FileError {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => FileError::NotPlain { path: path.to_owned() },
        _ => FileError::Io { path: path.to_owned(), cause },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_but_a_plain_file_is_opened_and_nothing_is_waited_for() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        fs::write(at("file"), "text").expect("written");
        symlink(at("file"), at("link")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for path in [at("fifo"), root.path().to_owned(), at("socket"), "/dev/null".into()] {
            assert!(matches!(open_plain(&path), Err(FileError::NotPlain { .. })), "{}", path.display());
            assert!(open_private(&path).is_err(), "{}", path.display());
        }
        assert!(open_plain(&at("link")).is_ok(), "a link to a plain file is named by whoever names the path");
        assert!(matches!(open_private(&at("link")), Err(FileError::NotPlain { .. })));
        assert!(matches!(read_private(&at("link"), 9), Err(FileError::NotPlain { .. })));
        assert!(matches!(open_plain(&at("nothing")), Err(FileError::Io { .. })));
    }

    #[test]
    fn a_private_file_is_closed_to_others_and_read_within_bounds() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("mcp.lock");
        fs::write(&path, "kept").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("ours");
        assert!(matches!(read_private(&path, 9), Err(FileError::Readable { .. })));
        drop(open_private(&path).expect("ours"));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(read_private(&path, 4).expect("read").as_deref(), Some("kept"));
        assert!(matches!(read_private(&path, 3), Err(FileError::TooLarge { .. })));
        assert_eq!(read_private(&root.path().join("none"), 3).expect("no error"), None);
        if geteuid().is_root() {
            nix::unistd::chown(&path, Some(12_345.into()), None).expect("root may");
            assert!(matches!(open_private(&path), Err(FileError::ForeignOwner { .. })));
        }
    }
}
