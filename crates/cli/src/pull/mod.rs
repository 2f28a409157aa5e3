//! Fetching a model file: from a path, an https URL or `hf://owner/repo/file.gguf`; resumable, verified, whole or absent.
//!
//! Bytes go to `NAME.part`; the file takes its name only when it is a GGUF file with all of its tensors, and has the
//! digest that was asked for or that the source told. A file that has the name already is never replaced by another one:
//! a registered model may be served from it.

mod download;
mod source;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::registry::model_file::check_whole;
use domain::{Digest, Kind, Problem};
use indicatif::{ProgressBar, ProgressStyle};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
pub use source::Source;

use crate::output;
use crate::secret_file::file_problem;

/// What to fetch, and to where.
#[derive(Debug)]
pub struct Pull<'a> {
    /// Where it comes from.
    pub source: &'a Source,
    /// The folder that receives it.
    pub folder: &'a Path,
    /// The digest that it must have.
    pub expected: Option<&'a Digest>,
    /// Seconds without a byte after which the download is given up.
    pub idle_timeout: Duration,
}

/// A file that was fetched.
#[derive(Debug, Clone, Serialize)]
pub struct Pulled {
    /// Where it lies.
    pub path: PathBuf,
    /// Its digest, as computed here.
    pub digest: Digest,
    /// Whether the digest was compared with one that was given or told by the source.
    pub verified: bool,
    /// Its size.
    pub size_bytes: u64,
}

impl Pull<'_> {
    /// Fetches, checks, and gives the file its name.
    pub async fn run(&self) -> Result<Pulled, Problem> {
        files::private_folder(self.folder, &[])?;
        let name = self.source.file_name();
        let part = self.folder.join(format!("{name}.part"));
        let _lock = claim(&part)?;
        let pulled = self.fetch_and_check(&name, &part).await;
        if pulled.is_err() && std::fs::metadata(&part).is_ok_and(|metadata| metadata.len() == 0) {
            // Nothing came that could be resumed.
            let _ = std::fs::remove_file(&part);
        }
        pulled
    }

    async fn fetch_and_check(&self, name: &str, part: &Path) -> Result<Pulled, Problem> {
        let told = match self.source {
            Source::Path(path) => {
                copy(path, part)?;
                None
            }
            Source::Url(url) => download::fetch(url, part, self.idle_timeout).await?,
        };
        let expected = self.expected.cloned().or(told);
        let (digest, size_bytes) = verify(part, Path::new(name), expected.as_ref())?;
        let path = place(part, &self.folder.join(name), &digest)?;
        Ok(Pulled { path, digest, verified: expected.is_some(), size_bytes })
    }
}

/// Holds the partial file for this process, so that two do not write into it.
fn claim(part: &Path) -> Result<Flock<File>, Problem> {
    // Never through a link: whoever made one would choose what is written to.
    let file = files::open_private(part)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => Problem::new(Kind::Conflict, format!("{} is being fetched already", part.display()))
            .next("wait until the other 'mcp model pull' has ended"),
        errno => Problem::internal(format!("{}: {errno}", part.display())),
    })
}

/// Gives the file its name, or one with its digest in it when another file has that name.
fn place(part: &Path, wanted: &Path, digest: &Digest) -> Result<PathBuf, Problem> {
    let is_free = |path: &Path| -> Result<bool, Problem> { Ok(!path.exists() || digest_of(path)?.0 == *digest) };
    let path = if is_free(wanted)? { wanted.to_owned() } else { beside(wanted, digest) };
    if !is_free(&path)? {
        return Err(Problem::new(Kind::Conflict, format!("{} is another file", path.display()))
            .next("move it away, or choose another folder with --data-dir"));
    }
    std::fs::rename(part, &path).map_err(|e| file_problem(&path, &e))?;
    Ok(path)
}

/// `model.gguf` becomes `model-0123456789ab.gguf`.
fn beside(wanted: &Path, digest: &Digest) -> PathBuf {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let short: String = digest.hex().chars().take(12).collect();
    let extension = wanted.extension().map_or_else(String::new, |e| format!(".{}", text(Some(e))));
    wanted.with_file_name(format!("{}-{short}{extension}", text(wanted.file_stem())))
}

fn copy(from: &Path, part: &Path) -> Result<(), Problem> {
    let mut reader = files::open_plain(from)?;
    let mut writer = files::open_private(part)?;
    writer.set_len(0).map_err(|e| file_problem(part, &e))?;
    let copied = std::io::copy(&mut reader, &mut writer).and_then(|_| writer.sync_all());
    copied.map_err(|e| {
        // A partial copy is of no use: the source is at hand.
        let _ = std::fs::remove_file(part);
        file_problem(part, &e)
    })
}

/// Computes the digest, and removes what is not the file asked for.
fn verify(part: &Path, called: &Path, expected: Option<&Digest>) -> Result<(Digest, u64), Problem> {
    let (digest, size_bytes, magic) = digest_of(part)?;
    let refusal = if &magic != b"GGUF" {
        Some(
            Problem::invalid("what was fetched is no GGUF file")
                .next("check the source: it may be a web page or another format"),
        )
    } else if let Some(expected) = expected.filter(|expected| **expected != digest) {
        Some(
            Problem::invalid(format!("the digest is {digest}, and {expected} was expected"))
                .next("fetch it again; if it stays so, the source holds another file"),
        )
    } else {
        check_whole(part, called).err()
    };
    match refusal {
        Some(problem) => {
            // Kept, it would be resumed and refused for ever.
            let _ = std::fs::remove_file(part);
            let _ = std::fs::remove_file(download::tag_path(part));
            Err(problem)
        }
        None => {
            let _ = std::fs::remove_file(download::tag_path(part));
            Ok((digest, size_bytes))
        }
    }
}

fn digest_of(path: &Path) -> Result<(Digest, u64, [u8; 4]), Problem> {
    let mut file = files::open_plain(path)?;
    let size = file.metadata().map_err(|e| file_problem(path, &e))?.len();
    let bar = bar("verifying", size, 0);
    let (mut hasher, mut buffer, mut magic, mut seen) = (Sha256::new(), vec![0_u8; 1 << 20], [0_u8; 4], 0_u64);
    loop {
        let count = file.read(&mut buffer).map_err(|e| file_problem(path, &e))?;
        if count == 0 {
            break;
        }
        if seen == 0 && count >= 4 {
            magic.copy_from_slice(&buffer[..4]);
        }
        hasher.update(&buffer[..count]);
        seen += count as u64;
        bar.set_position(seen);
    }
    bar.finish_and_clear();
    Ok((Digest::from_sha256(&hasher.finalize().into()), seen, magic))
}

/// A bar of bytes with rate and ETA; hidden where nobody watches.
fn bar(what: &'static str, total: u64, done: u64) -> ProgressBar {
    if !output::is_watched() {
        return ProgressBar::hidden();
    }
    // The template is a constant that parses; a plain bar serves as well.
    let style = ProgressStyle::with_template("{msg:>12} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total).with_style(style).with_message(what);
    bar.set_position(done);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::DEMO_GGUF;

    async fn pull(bytes: &[u8], expected: Option<&str>) -> (Result<Pulled, Problem>, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        (pull_into(&dir, bytes, expected).await, dir)
    }

    async fn pull_into(dir: &tempfile::TempDir, bytes: &[u8], expected: Option<&str>) -> Result<Pulled, Problem> {
        let from = dir.path().join("source.gguf");
        std::fs::write(&from, bytes).expect("written");
        let expected = expected.map(|text| text.parse().expect("a digest"));
        let source = Source::Path(from);
        let pull = Pull {
            source: &source,
            folder: &dir.path().join("models"),
            expected: expected.as_ref(),
            idle_timeout: Duration::from_secs(5),
        };
        pull.run().await
    }

    #[tokio::test]
    async fn a_path_is_copied_and_checked() {
        let another = "0".repeat(64);
        let (wrong, dir) = pull(DEMO_GGUF, Some(&another)).await;
        assert!(wrong.expect_err("another digest").cause.contains("was expected"));
        assert_eq!(std::fs::read_dir(dir.path().join("models")).expect("it exists").count(), 0, "nothing half-written");
        let (right, _dir) = pull(DEMO_GGUF, None).await;
        let right = right.expect("a GGUF");
        assert_eq!((right.size_bytes, right.verified), (DEMO_GGUF.len() as u64, false));
        let again = pull(DEMO_GGUF, Some(right.digest.as_str())).await.0.expect("the digest that was computed");
        assert!(again.verified);
    }

    #[tokio::test]
    async fn what_is_no_gguf_is_refused() {
        for bytes in [&b"<html>"[..], b"", b"GG", b"GGUFrest", &DEMO_GGUF[..100_000], &DEMO_GGUF[..2_000_000]] {
            let (result, dir) = pull(bytes, None).await;
            assert!(result.expect_err("no GGUF").next_step.is_some());
            assert_eq!(std::fs::read_dir(dir.path().join("models")).expect("it exists").count(), 0);
        }
    }

    #[tokio::test]
    async fn another_file_of_the_same_name_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = pull_into(&dir, DEMO_GGUF, None).await.expect("a GGUF");
        let other = [DEMO_GGUF, b"more"].concat();
        let second = pull_into(&dir, &other, None).await.expect("a GGUF with bytes behind it");
        assert_ne!(first.path, second.path);
        assert_eq!(std::fs::read(&first.path).expect("kept"), DEMO_GGUF);
        assert_eq!(std::fs::read(&second.path).expect("written"), other);
        let again = pull_into(&dir, &other, None).await.expect("the same once more");
        assert_eq!(again.path, second.path);
        assert_eq!(std::fs::read_dir(dir.path().join("models")).expect("it exists").count(), 2);
    }

    #[tokio::test]
    async fn a_partial_download_never_follows_a_link_nor_waits_for_a_fifo() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let models = dir.path().join("models");
        std::fs::create_dir_all(&models).expect("made");
        let (precious, part) = (dir.path().join("precious"), models.join("source.gguf.part"));
        std::fs::write(&precious, "mine").expect("written");
        std::os::unix::fs::symlink(&precious, &part).expect("a link");
        pull_into(&dir, DEMO_GGUF, None).await.expect_err("a link is refused");
        assert_eq!(std::fs::read(&precious).expect("there"), b"mine");
        std::fs::remove_file(&part).expect("the link");
        nix::unistd::mkfifo(&part, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let refused = tokio::time::timeout(Duration::from_secs(60), pull_into(&dir, DEMO_GGUF, None));
        refused.await.expect("not waited for").expect_err("a FIFO is refused");
    }

    #[tokio::test]
    async fn two_do_not_fetch_into_one_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(dir.path().join("models")).expect("made");
        let held = claim(&dir.path().join("models/source.gguf.part")).expect("free");
        assert_eq!(pull_into(&dir, DEMO_GGUF, None).await.expect_err("held").kind, Kind::Conflict);
        drop(held);
        pull_into(&dir, DEMO_GGUF, None).await.expect("free again");
    }
}
