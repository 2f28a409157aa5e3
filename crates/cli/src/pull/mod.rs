//! Fetching a model file: from a path, an https URL or `hf://owner/repo/file.gguf`; resumable, verified, whole or absent.
//!
//! Bytes go to `NAME.part`; the file takes its name only when it is complete, begins like a GGUF, and has the digest that
//! was asked for or that the source told.

mod download;
mod source;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Digest, Problem};
use indicatif::{ProgressBar, ProgressStyle};
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
        std::fs::create_dir_all(self.folder).map_err(|e| file_problem(self.folder, &e))?;
        let name = self.source.file_name();
        let part = self.folder.join(format!("{name}.part"));
        let told = match self.source {
            Source::Path(path) => {
                copy(path, &part)?;
                None
            }
            Source::Url(url) => download::fetch(url, &part, self.idle_timeout).await?,
        };
        let expected = self.expected.cloned().or(told);
        let (digest, size_bytes) = verify(&part, expected.as_ref())?;
        let path = self.folder.join(name);
        std::fs::rename(&part, &path).map_err(|e| file_problem(&path, &e))?;
        Ok(Pulled { path, digest, verified: expected.is_some(), size_bytes })
    }
}

fn copy(from: &Path, part: &Path) -> Result<(), Problem> {
    let mut reader = std::fs::File::open(from).map_err(|e| file_problem(from, &e))?;
    let mut writer = std::fs::File::create(part).map_err(|e| file_problem(part, &e))?;
    let copied = std::io::copy(&mut reader, &mut writer).and_then(|_| writer.sync_all());
    copied.map_err(|e| {
        // A partial copy is of no use: the source is at hand.
        let _ = std::fs::remove_file(part);
        file_problem(part, &e)
    })
}

/// Computes the digest, and removes what is not the file asked for.
fn verify(part: &Path, expected: Option<&Digest>) -> Result<(Digest, u64), Problem> {
    let (digest, size_bytes, magic) = digest_of(part)?;
    let refusal = if &magic != b"GGUF" {
        Some(
            Problem::invalid("what was fetched is no GGUF file")
                .next("check the source: it may be a web page or another format"),
        )
    } else {
        expected.filter(|expected| **expected != digest).map(|expected| {
            Problem::invalid(format!("the digest is {digest}, and {expected} was expected"))
                .next("fetch it again; if it stays so, the source holds another file")
        })
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
    let mut file = std::fs::File::open(path).map_err(|e| file_problem(path, &e))?;
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

    async fn pull(bytes: &[u8], expected: Option<&str>) -> (Result<Pulled, Problem>, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a temporary folder");
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
        (pull.run().await, dir)
    }

    #[tokio::test]
    async fn a_path_is_copied_and_checked() {
        let another = "0".repeat(64);
        let (wrong, dir) = pull(b"GGUFrest", Some(&another)).await;
        assert!(wrong.expect_err("another digest").cause.contains("was expected"));
        assert_eq!(std::fs::read_dir(dir.path().join("models")).expect("it exists").count(), 0, "nothing half-written");
        let (right, _dir) = pull(b"GGUFrest", None).await;
        let right = right.expect("a GGUF");
        assert_eq!((right.size_bytes, right.verified), (8, false));
        let again = pull(b"GGUFrest", Some(right.digest.as_str())).await.0.expect("the digest that was computed");
        assert!(again.verified);
    }

    #[tokio::test]
    async fn what_is_no_gguf_is_refused() {
        for bytes in [&b"<html>"[..], b"", b"GG"] {
            let (result, dir) = pull(bytes, None).await;
            assert!(result.expect_err("no GGUF").next_step.is_some());
            assert_eq!(std::fs::read_dir(dir.path().join("models")).expect("it exists").count(), 0);
        }
    }
}
