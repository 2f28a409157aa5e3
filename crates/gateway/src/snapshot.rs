//! Where the routing snapshot comes from: the store while it answers, this machine's disk when it does not.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::RoutingSnapshot;
use state::{SharedStore, objects};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::takeover::take_over;

/// The snapshot is read again after this time even if nothing was announced.
const REFRESH: Duration = Duration::from_secs(5);

/// Largest snapshot file that is read, in bytes; the store takes no larger snapshot.
const FILE_MAX_BYTES: u64 = 64 << 20;

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

/// Writes the snapshot so that the file always holds a whole one, even if the power fails. It names every key's hash and
/// every replica's address, so it is for its owner alone.
pub(crate) fn write(path: &Path, snapshot: &RoutingSnapshot) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::private_folder(folder, &[]).map_err(io::Error::other)?;
    files::write_private(path, &serde_json::to_vec(snapshot)?).map_err(io::Error::other)
}

/// The snapshot on disk; nothing when there is no file.
pub(crate) fn read(path: &Path) -> io::Result<Option<RoutingSnapshot>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    // Whoever could write it could let anybody in and send requests anywhere.
    let mut bytes = Vec::new();
    files::open_private(path).map_err(io::Error::other)?.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/snapshot.json");
        assert_eq!(read(&path).expect("no file is no error"), None);
        let snapshot = RoutingSnapshot { version: 7, ..RoutingSnapshot::default() };
        write(&path, &snapshot).expect("written");
        assert_eq!(read(&path).expect("read"), Some(snapshot));
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).expect("there"));
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
        std::fs::write(&path, b"{\"version\":").expect("damaged");
        assert!(read(&path).is_err());
    }
}
