//! Model files: that they are plain files, and that they are what the caller says, at every start.
//!
//! A file is opened once: what was hashed is what the instance gets, as an open file, so that another file put in its
//! place changes nothing. A digest is remembered as long as device, inode, size and both times of change stay the same. The
//! time of the inode's change is set by the system at every write, and cannot be set back by whoever may write the file;
//! a file is hashed only when a later write would show in it.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Digest, Kind, Problem, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore};

/// Most files whose digest is remembered, and most that are read or waited for.
const REMEMBERED_MAX: usize = 256;
/// Most files that are read at one time.
const READ_AT_ONCE: usize = 2;
/// File systems note the time of a change in steps: of a clock tick, or of a second where they keep no fraction.
const STEP: Duration = Duration::from_millis(20);
const COARSE_STEP: Duration = Duration::from_millis(1_100);
/// How often a file is read again that changed meanwhile.
const READS_MAX: usize = 3;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// How long to wait until a change after `now` would show in the time of change.
    fn settles_in(&self, now: Timestamp) -> Duration {
        let step = if self.changed.1 == 0 { COARSE_STEP } else { STEP };
        let changed = Timestamp(self.changed.0.saturating_mul(1_000_000).saturating_add(self.changed.1 / 1_000));
        let age = Duration::from_micros(u64::try_from(now.micros_since(changed)).unwrap_or(0));
        step.saturating_sub(age)
    }
}

/// What is known of a model file now.
pub(super) enum Checked {
    /// It is the right one: open, and to be handed on.
    Right(File),
    /// It is not, and why.
    Wrong(Problem),
    /// It is being read. [`Artifacts::new`] was told whom to wake.
    Soon,
}

/// A file that is being read to be started from, or why that failed.
enum Reading {
    Going,
    Failed(Problem),
}

/// The digests of files.
#[derive(Clone)]
pub(super) struct Artifacts {
    known: Arc<Mutex<HashMap<Version, Digest>>>,
    readings: Arc<Mutex<HashMap<PathBuf, Reading>>>,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
}

impl Artifacts {
    /// Knows nothing yet. `wake` is notified when a file has been read that was asked for with [`Artifacts::open`].
    pub fn new(clock: Arc<dyn Clock>, wake: Arc<Notify>) -> Self {
        let places = Arc::new(Semaphore::new(READ_AT_ONCE));
        Self { known: Arc::default(), readings: Arc::default(), places, clock, wake }
    }

    /// The canonical path of the file, if its bytes have that digest. Reads the whole file unless that is known.
    pub async fn check(&self, path: &str, digest: &Digest) -> Result<PathBuf, Problem> {
        let named = Path::new(path);
        if !named.is_absolute() {
            return Err(unreadable(named, &std::io::Error::other("its path is not absolute")));
        }
        let path = named.canonicalize().map_err(|e| unreadable(named, &e))?;
        let (file, version) = open(&path)?;
        let known = self.known.lock().get(&version).cloned();
        let found = match known {
            Some(found) => found,
            None => self.read(&path, file).await?,
        };
        compare(&path, &found, digest)?;
        Ok(path)
    }

    /// The file at `path`, open, if its bytes have that digest. Never waits: a file that is not known is read meanwhile.
    pub fn open(&self, path: &Path, digest: &Digest) -> Checked {
        let (file, version) = match open(path) {
            Ok(opened) => opened,
            Err(problem) => return Checked::Wrong(problem),
        };
        let known = self.known.lock().get(&version).cloned();
        if let Some(found) = known {
            return compare(path, &found, digest).map_or_else(Checked::Wrong, |()| Checked::Right(file));
        }
        let mut readings = self.readings.lock();
        match readings.remove(path) {
            Some(Reading::Failed(problem)) => return Checked::Wrong(problem),
            None if readings.len() >= REMEMBERED_MAX => return Checked::Soon,
            going => {
                readings.insert(path.to_owned(), Reading::Going);
                if going.is_some() {
                    return Checked::Soon;
                }
            }
        }
        drop(readings);
        let (artifacts, path) = (self.clone(), path.to_owned());
        telemetry::tasks::spawn("local_cloud_digest", async move {
            let read = artifacts.read(&path, file).await;
            let mut readings = artifacts.readings.lock();
            match read {
                Ok(_) => readings.remove(&path),
                Err(problem) => readings.insert(path, Reading::Failed(problem)),
            };
            drop(readings);
            artifacts.wake.notify_one();
        });
        Checked::Soon
    }

    /// The digest of an open file, which is remembered.
    async fn read(&self, path: &Path, mut file: File) -> Result<Digest, Problem> {
        let failed = |e| unreadable(path, &e);
        let _place = self.places.acquire().await.map_err(|e| Problem::internal(e.to_string()))?;
        for _ in 0..READS_MAX {
            let version = Version::of(&file.metadata().map_err(failed)?);
            tokio::time::sleep(version.settles_in(self.clock.now())).await;
            let reading = tokio::task::spawn_blocking(move || {
                let read = read_digest(&file)?;
                Ok((file, read))
            });
            let reading =
                reading.await.map_err(|e| Problem::internal(format!("reading the model file failed: {e}")))?;
            let found;
            (file, found) = reading.map_err(failed)?;
            if Version::of(&file.metadata().map_err(failed)?) == version {
                let mut known = self.known.lock();
                if known.len() >= REMEMBERED_MAX {
                    known.clear();
                }
                known.insert(version, found.clone());
                return Ok(found);
            }
        }
        Err(Problem::new(Kind::Conflict, format!("the model file {} changes while it is read", path.display()))
            .next("wait until it is written")
            .at("artifact"))
    }
}

fn open(path: &Path) -> Result<(File, Version), Problem> {
    let file = files::open_plain(path).map_err(|error| match error {
        files::FileError::Io { cause, .. } => unreadable(path, &cause),
        other => Problem::from(other).at("artifact"),
    })?;
    let version = Version::of(&file.metadata().map_err(|e| unreadable(path, &e))?);
    Ok((file, version))
}

fn compare(path: &Path, found: &Digest, wanted: &Digest) -> Result<(), Problem> {
    if found == wanted {
        return Ok(());
    }
    Err(Problem::invalid(format!("the model file {} has the digest {found}, not {wanted}", path.display()))
        .next("register the model again")
        .at("digest"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let kind = if error.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Invalid };
    Problem::new(kind, format!("the model file {} cannot be read: {error}", path.display()))
        .next("give the full path of a file that this machine can read")
        .at("artifact")
}

/// Reads no more than the file's size: what grows while it is read has another version in the end.
fn read_digest(mut file: &File) -> std::io::Result<Digest> {
    std::io::Seek::rewind(&mut file)?;
    let mut left = file.metadata()?.len();
    let mut hasher = Sha256::new();
    let mut block = vec![0_u8; 1 << 20];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        let read = file.read(&mut block[..most])?;
        if read == 0 {
            break;
        }
        hasher.update(&block[..read]);
        left = left.saturating_sub(read as u64);
    }
    Ok(Digest::from_sha256(&hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};

    use domain::SystemClock;

    use super::*;

    /// SHA-256 of "abc", from FIPS 180-4.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn artifacts() -> Artifacts {
        Artifacts::new(Arc::new(SystemClock), Arc::default())
    }

    async fn opened(artifacts: &Artifacts, path: &Path, digest: &Digest) -> Result<File, Problem> {
        loop {
            match artifacts.open(path, digest) {
                Checked::Right(file) => return Ok(file),
                Checked::Wrong(problem) => return Err(problem),
                Checked::Soon => artifacts.wake.notified().await,
            }
        }
    }

    #[tokio::test]
    async fn only_the_right_file_passes_also_after_it_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("model.gguf");
        fs::write(&file, b"abc").expect("written");
        let path = file.to_str().expect("text");
        let right: Digest = ABC.parse().expect("it");
        let artifacts = artifacts();
        assert!(artifacts.check(path, &right).await.is_ok());
        assert!(artifacts.check(path, &right).await.is_ok(), "remembered");
        fs::write(&file, b"abcd").expect("changed");
        let problem = artifacts.check(path, &right).await.expect_err("another file");
        assert_eq!(problem.field.as_deref(), Some("digest"));
        for missing in ["/no/such/file", "relative.gguf", "/", "/\0", "/dev/null"] {
            let problem = artifacts.check(missing, &right).await.expect_err(missing);
            assert_eq!(problem.field.as_deref(), Some("artifact"), "{missing:?}");
        }
    }

    #[tokio::test]
    async fn a_swapped_file_is_found_at_the_next_start_whatever_its_times_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.gguf");
        fs::write(&path, b"abc").expect("written");
        let right: Digest = ABC.parse().expect("it");
        let artifacts = artifacts();
        for in_place in [true, false] {
            let mut before = opened(&artifacts, &path, &right).await.expect("the right one");
            let times = before.metadata().expect("there").modified().expect("a time");
            if in_place {
                fs::write(&path, b"xyz").expect("the same size");
            } else {
                fs::write(folder.path().join("other"), b"xyz").expect("written");
                fs::rename(folder.path().join("other"), &path).expect("put in its place");
                // What was handed on is still what was checked.
                let mut text = String::new();
                std::io::Seek::rewind(&mut before).expect("rewound");
                before.read_to_string(&mut text).expect("read");
                assert_eq!(text, "abc");
            }
            let swapped = File::options().write(true).open(&path).expect("open");
            swapped.set_times(FileTimes::new().set_modified(times)).expect("set back");
            let problem = opened(&artifacts, &path, &right).await.expect_err("another file");
            assert_eq!(problem.field.as_deref(), Some("digest"), "in place: {in_place}");
            fs::write(&path, b"abc").expect("put right");
        }
    }

    #[tokio::test]
    async fn what_is_no_plain_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let right: Digest = ABC.parse().expect("it");
        let artifacts = artifacts();
        assert!(matches!(artifacts.open(&path, &right), Checked::Wrong(_)));
        let problem = artifacts.check(path.to_str().expect("text"), &right).await.expect_err("a FIFO");
        assert_eq!(problem.field.as_deref(), Some("artifact"));
    }

    #[test]
    fn a_file_settles_before_it_is_read() {
        let version = |changed| Version { device: 1, inode: 1, size: 1, modified: (0, 0), changed };
        let at_ms = |ms: i64| Timestamp(ms * 1_000);
        for (changed, now, wait_ms) in [
            ((1, 500_000_000), at_ms(1_500), 20),
            ((1, 500_000_000), at_ms(1_515), 5),
            ((1, 500_000_000), at_ms(1_600), 0),
            ((1, 0), at_ms(1_100), 1_000),
            // The clock was set back: no more than a step.
            ((9, 500_000_000), at_ms(1_000), 20),
        ] {
            assert_eq!(version(changed).settles_in(now), Duration::from_millis(wait_ms), "{changed:?} {now:?}");
        }
    }
}
