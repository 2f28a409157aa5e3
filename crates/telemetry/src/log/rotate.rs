//! A log file that never grows beyond its bound: when it is full it moves aside, and the oldest one goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// `name`, and behind it `name.1` (the latest full one) to `name.N`.
#[derive(Debug, Clone)]
pub struct RotatingFile {
    file: Arc<Mutex<Rotating>>,
}

#[derive(Debug)]
struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
    kept: u32,
    /// Whether standard error goes to the same file, also after it moved.
    takes_stderr: bool,
}

impl RotatingFile {
    /// Opens the file behind what is there, for its owner alone. It holds `max_bytes` at most, or one line; `kept` full
    /// ones stay beside it.
    pub fn open(path: &Path, max_bytes: u64, kept: u32) -> io::Result<Self> {
        let file = append_to(path)?;
        let bytes = file.metadata()?.len();
        let rotating = Rotating { path: path.to_owned(), file, bytes, max_bytes, kept, takes_stderr: false };
        Ok(Self { file: Arc::new(Mutex::new(rotating)) })
    }

    /// The file as it is open now, for another process to begin with.
    pub fn file(&self) -> io::Result<File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).file.try_clone()
    }

    /// Sends standard error there too: what is not logged, such as the last words of a program that cannot start.
    pub fn take_stderr(&self) -> io::Result<()> {
        let mut rotating = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        rotating.takes_stderr = true;
        rotating.redirect()
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut rotating = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if rotating.bytes > 0 && rotating.bytes.saturating_add(line.len() as u64) > rotating.max_bytes {
            rotating.rotate()?;
        }
        let written = rotating.file.write(line)?;
        rotating.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Rotating {
    fn rotate(&mut self) -> io::Result<()> {
        let moved = self.move_aside().and_then(|()| append_to(&self.path));
        match moved {
            Ok(file) => self.file = file,
            // The bound holds even where nothing can be moved: what is there goes.
            Err(_) => self.file.set_len(0)?,
        }
        self.bytes = 0;
        if self.takes_stderr { self.redirect() } else { Ok(()) }
    }

    fn move_aside(&self) -> io::Result<()> {
        for number in (1..self.kept).rev() {
            let moved = fs::rename(self.numbered(number), self.numbered(number + 1));
            moved.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
        }
        match self.kept {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, self.numbered(1)),
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    fn redirect(&self) -> io::Result<()> {
        nix::unistd::dup2_stderr(self.file.as_fd()).map_err(io::Error::from)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A link in its place would let whoever made it choose what is written to.
    options.create(true).append(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_rotates_while_it_is_written_and_stays_within_its_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mcp.log");
        let mut log = RotatingFile::open(&path, 100, 2).expect("opened");
        for number in 0..1_000 {
            writeln!(log, "line {number:03}").expect("written");
        }
        let names = ["mcp.log", "mcp.log.1", "mcp.log.2"];
        let texts = names.map(|name| fs::read_to_string(folder.path().join(name)).expect("it is there"));
        assert!(texts[0].ends_with("line 999\n"), "{}", texts[0]);
        assert!(texts.iter().all(|text| text.len() <= 100 && !text.is_empty()));
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), names.len());
        let reopened = RotatingFile::open(&path, 100, 2).expect("opened again");
        assert_eq!(reopened.file.lock().expect("free").bytes, texts[0].len() as u64);
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("mcp.log"), folder.path().join("other"));
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        assert!(RotatingFile::open(&path, 100, 2).is_err());
        assert!(!other.exists());
    }
}
