//! Files that hold secrets: readable by their owner alone, written whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use domain::{Kind, Problem};

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
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_problem(path, &error)),
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Problem::new(Kind::Forbidden, format!("{} can be read by others", path.display()))
            .next(format!("run: chmod 600 {}", path.display())));
    }
    fs::read_to_string(path).map(|text| Some(text.trim_end().to_owned())).map_err(|error| file_problem(path, &error))
}

/// Writes the secret so that a crash leaves the old file or the new one.
pub fn write(path: &Path, secret: &str) -> Result<(), Problem> {
    let fail = |error: &std::io::Error| file_problem(path, error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| fail(&e))?;
    }
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh).map_err(|e| fail(&e))?;
    let written =
        file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&fresh, path));
    written.map_err(|error| {
        // Nothing half-written stays behind; the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
        fail(&error)
    })
}

/// A file that cannot be used, with a hint that fits the cause.
#[must_use]
pub fn file_problem(path: &Path, error: &std::io::Error) -> Problem {
    let (kind, hint) = match error.kind() {
        std::io::ErrorKind::StorageFull => (Kind::Unavailable, "free some space on that disk"),
        std::io::ErrorKind::PermissionDenied => (Kind::Forbidden, "choose a folder you may write to with --data-dir"),
        std::io::ErrorKind::NotFound => (Kind::NotFound, "check the path"),
        _ => (Kind::Internal, "run 'mcp doctor'"),
    };
    Problem::new(kind, format!("{}: {error}", path.display())).next(hint)
}

#[cfg(test)]
mod tests {
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
