//! Model files: that they are there, and that they are what the caller says.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Digest, Kind, Problem};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// Most files whose digest is remembered.
const REMEMBERED_MAX: usize = 256;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    path: PathBuf,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Digests of files, remembered as long as inode, size and time of change stay the same.
#[derive(Clone, Default)]
pub(super) struct Artifacts {
    known: Arc<Mutex<HashMap<Version, Digest>>>,
}

impl Artifacts {
    /// The canonical path of the file, if its bytes have that digest. Reads the whole file the first time.
    pub async fn check(&self, path: &str, digest: &Digest) -> Result<PathBuf, Problem> {
        let (known, path, digest) = (self.known.clone(), PathBuf::from(path), digest.clone());
        let checked = tokio::task::spawn_blocking(move || check(&known, &path, &digest)).await;
        checked.map_err(|e| Problem::internal(format!("reading the model file failed: {e}")))?
    }
}

fn check(known: &Mutex<HashMap<Version, Digest>>, path: &Path, wanted: &Digest) -> Result<PathBuf, Problem> {
    let unreadable = |e: std::io::Error| {
        let kind = if e.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Invalid };
        Problem::new(kind, format!("the model file {} cannot be read: {e}", path.display()))
            .next("give the full path of a file that this machine can read")
            .at("artifact")
    };
    if !path.is_absolute() {
        return Err(unreadable(std::io::Error::other("its path is not absolute")));
    }
    let path = path.canonicalize().map_err(unreadable)?;
    let meta = path.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(unreadable(std::io::Error::other("it is not a file")));
    }
    let modified = (meta.mtime(), meta.mtime_nsec());
    let version = Version { path: path.clone(), inode: meta.ino(), size: meta.len(), modified };
    let remembered = known.lock().get(&version).cloned();
    let found = match remembered {
        Some(found) => found,
        None => {
            let found = read_digest(&path).map_err(unreadable)?;
            let mut known = known.lock();
            if known.len() >= REMEMBERED_MAX {
                known.clear();
            }
            known.insert(version, found.clone());
            found
        }
    };
    if found == *wanted {
        return Ok(path);
    }
    Err(Problem::invalid(format!("the model file {} has the digest {found}, not {wanted}", path.display()))
        .next("register the model again")
        .at("digest"))
}

fn read_digest(path: &Path) -> std::io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0_u8; 1 << 20];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(Digest::from_sha256(&hasher.finalize().into()));
        }
        hasher.update(&block[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_file_passes_also_after_it_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("model.gguf");
        std::fs::write(&file, b"abc").expect("written");
        let path = file.to_str().expect("text");
        // SHA-256 of "abc", from FIPS 180-4.
        let right: Digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().expect("it");
        let artifacts = Artifacts::default();
        assert!(artifacts.check(path, &right).await.is_ok());
        assert!(artifacts.check(path, &right).await.is_ok(), "remembered");
        std::fs::write(&file, b"abcd").expect("changed");
        let problem = artifacts.check(path, &right).await.expect_err("another file");
        assert_eq!(problem.field.as_deref(), Some("digest"));
        for missing in ["/no/such/file", "relative.gguf", "/", "/\0"] {
            let problem = artifacts.check(missing, &right).await.expect_err(missing);
            assert_eq!(problem.field.as_deref(), Some("artifact"), "{missing:?}");
        }
    }
}
