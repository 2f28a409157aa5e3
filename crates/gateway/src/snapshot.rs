//! Where the routing snapshot comes from: the store while it answers, this machine's disk when it does not.

use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::RoutingSnapshot;
use files::FileError;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use state::{SharedStore, objects};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::takeover::take_over;

/// The snapshot is read again after this time even if nothing was announced.
const REFRESH: Duration = Duration::from_secs(5);

/// Largest snapshot file that is read, in bytes; the store takes no larger snapshot.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// Why the snapshot on disk is not used, or not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("it is no snapshot: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it names a model or a key twice")]
    Doubled,
}

/// Follows the store's snapshot until `stop`. A store that fails is asked again; the table stays as it is.
pub(crate) async fn follow(shared: Arc<Shared>, store: SharedStore, stop: CancellationToken) {
    let mut revisions = store.watch();
    let mut seen_version = None;
    let mut failing = false;
    loop {
        match objects::get::<RoutingSnapshot>(&*store, "current").await {
            Ok(found) => {
                failing = false;
                if let Some(found) = found.filter(|found| Some(found.version) != seen_version) {
                    seen_version = Some(found.version);
                    adopt(&shared, found.value).await;
                }
            }
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "store does not answer: serving by the last snapshot");
            }
            Err(_) => {}
        }
        let wait = if failing { Duration::from_secs(1) } else { REFRESH };
        tokio::select! {
            () = stop.cancelled() => return,
            // A store that is gone closes the channel; then only time wakes us.
            changed = revisions.changed() => if changed.is_err() { tokio::time::sleep(wait).await },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn adopt(shared: &Arc<Shared>, snapshot: RoutingSnapshot) {
    take_over(shared, &snapshot);
    let Some(path) = shared.config.snapshot_file.clone() else { return };
    let written = tokio::task::spawn_blocking(move || write(&path, &snapshot)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "snapshot not written to disk: a restart will need the store");
    }
}

/// Writes the snapshot for its owner alone, so that the file always holds a whole one, even if the power fails.
pub(crate) fn write(path: &Path, snapshot: &RoutingSnapshot) -> Result<(), SnapshotError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::private_folder(folder, &[])?;
    Ok(files::write_private(path, &serde_json::to_vec(snapshot)?)?)
}

/// The snapshot on disk; nothing when there is no file. What is no plain file, too large or not whole is an error, and
/// nothing of it is used.
pub(crate) fn read(path: &Path) -> Result<Option<RoutingSnapshot>, SnapshotError> {
    if !path.try_exists()? {
        return Ok(None);
    }
    // Whoever could write it could let anybody in and send requests anywhere.
    let file = files::open_private(path)?;
    let too_large = || FileError::TooLarge { path: path.to_owned(), max_bytes: FILE_MAX_BYTES };
    if file.metadata()?.len() > FILE_MAX_BYTES {
        return Err(too_large().into());
    }
    let mut text = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(too_large().into());
    }
    let snapshot: RoutingSnapshot = serde_json::from_slice(&text)?;
    // Of two models of one name the last would count, and nobody knows which was meant.
    let names: Names = serde_json::from_slice(&text)?;
    if names.models.0 == snapshot.models.len() && names.keys.0 == snapshot.keys.len() {
        Ok(Some(snapshot))
    } else {
        Err(SnapshotError::Doubled)
    }
}

/// How many members two objects of a snapshot have, doubles counted.
#[derive(Deserialize)]
struct Names {
    models: Members,
    keys: Members,
}

struct Members(usize);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }
        }
        deserializer.deserialize_map(Counter)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_written_is_read_and_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/snapshot.json");
        assert_eq!(read(&path).expect("no file is no error"), None);
        let snapshot = RoutingSnapshot { version: 7, ..RoutingSnapshot::default() };
        write(&path, &snapshot).expect("written");
        assert_eq!(read(&path).expect("read"), Some(snapshot.clone()));
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        // A link that somebody put there is replaced, not followed.
        let other = folder.path().join("other");
        std::fs::write(&other, "untouched").expect("written");
        std::fs::remove_file(&path).expect("removed");
        symlink(&other, &path).expect("a link");
        write(&path, &snapshot).expect("written");
        assert_eq!(std::fs::read(&other).expect("read"), b"untouched");
    }

    /// Cut anywhere, damaged anyhow, too large or no file at all: an error, at once, and nothing is used.
    #[test]
    fn what_is_not_whole_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("snapshot.json");
        let whole = r#"{"version":7,"made_at":1,"models":{},"keys":{}}"#;
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            assert!(read(&path).is_err(), "cut at {length}");
        }
        let key = r#""ab":{"id":"key-1","name":"a"}"#;
        for damaged in [
            whole.replace("7", "-7"),
            whole.replace("{}", "[]"),
            whole.replace("\"keys\":{}", &format!("\"keys\":{{{key},{key}}}")),
            format!("{whole}{whole}"),
            format!("{}{whole}", "[".repeat(100_000)),
        ] {
            std::fs::write(&path, &damaged).expect("written");
            assert!(read(&path).is_err(), "{}", &damaged[..damaged.len().min(80)]);
        }
        let file = std::fs::File::create(&path).expect("a file");
        file.set_len(FILE_MAX_BYTES + 1).expect("a hole");
        assert!(matches!(read(&path), Err(SnapshotError::File(FileError::TooLarge { .. }))));
        std::fs::remove_file(&path).expect("removed");
        std::fs::create_dir(&path).expect("a folder");
        assert!(read(&path).is_err());
    }
}
