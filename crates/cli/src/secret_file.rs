//! Files that hold secrets: readable by their owner alone, written whole or not at all.

use std::path::Path;

use domain::Problem;
use files::{FileError, read_private, write_private};

/// Longest secret, in bytes.
const SECRET_MAX_BYTES: u64 = 64 << 10;

/// Reads the secret, or makes it with `make` and keeps it. Refuses a file that others can read.
pub fn read_or_create(path: &Path, make: impl FnOnce() -> Result<String, Problem>) -> Result<String, Problem> {
    match read(path)? {
        Some(secret) => Ok(secret),
        None => {
            let secret = make()?;
            write(path, &secret)?;
            Ok(secret)
        }
    }
}

/// The secret, if the file exists.
pub fn read(path: &Path) -> Result<Option<String>, Problem> {
    Ok(read_private(path, SECRET_MAX_BYTES)?.map(|text| text.trim_end().to_owned()))
}

/// Writes the secret so that a crash leaves the old file or the new one.
pub fn write(path: &Path, secret: &str) -> Result<(), Problem> {
    if let Some(folder) = path.parent() {
        files::private_folder(folder, crate::paths::OURS)?;
    }
    Ok(write_private(path, secret.as_bytes())?)
}

/// A file that cannot be used, with a hint that fits the cause.
#[must_use]
pub fn file_problem(path: &Path, error: &std::io::Error) -> Problem {
    let cause = std::io::Error::new(error.kind(), error.to_string());
    FileError::Io { path: path.to_owned(), cause }.into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use domain::Kind;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("deep/secret");
        let first = read_or_create(&path, || Ok("one".to_owned())).expect("made");
        let second = read_or_create(&path, || Ok("two".to_owned())).expect("read");
        assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
        assert_eq!(fs::metadata(&path).expect("it exists").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("secret");
        write(&path, "x").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("own file");
        assert_eq!(read(&path).expect_err("refused").kind, Kind::Forbidden);
    }
}
