//! Power that fails while the log is written: whatever part of it reached the disk, opening gives exactly the commits
//! whose last frame is whole, and never a part of a batch.

use std::path::{Path, PathBuf};

use state::Store;
use state_backends::SqliteStore;
use tempfile::TempDir;

use crate::workload::{batch, batches_of, check_file};

// <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
const LOG_HEADER_BYTES: usize = 32;
const FRAME_BYTES: usize = 24 + 4_096;

const WRITERS: usize = 2;

/// A store as it stood on the disk, and up to where its log belongs to which revision.
struct Written {
    file: Vec<u8>,
    log: Vec<u8>,
    /// Length of the log after each commit, from the first.
    ends: Vec<usize>,
}

impl Written {
    /// The revision of the last commit that is whole within the first `bytes` of the log.
    fn revision_at(&self, bytes: usize) -> u64 {
        self.ends.iter().take_while(|end| **end <= bytes).count() as u64
    }
}

async fn write_some(commits: u64) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let log_path = log_of(&path);
    let store = SqliteStore::open(&path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let mut ends = Vec::new();
    for number in 0..commits {
        let writer = usize::try_from(number).unwrap() % WRITERS;
        let padding = usize::try_from(number * 37 % 5).unwrap() * 900;
        store.commit(batch(writer, number / WRITERS as u64 + 1, padding)).await.unwrap();
        ends.push(usize::try_from(std::fs::metadata(&log_path).unwrap().len()).unwrap());
    }
    assert_eq!(std::fs::read(&path).unwrap(), file, "nothing was written back: all is in the log");
    let log = std::fs::read(&log_path).unwrap();
    Written { file, log, ends }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_anywhere_gives_a_prefix_of_commits() {
    let written = write_some(14).await;
    let frames = (written.log.len() - LOG_HEADER_BYTES) / FRAME_BYTES;
    assert_eq!(written.log.len(), LOG_HEADER_BYTES + frames * FRAME_BYTES);
    let mut cuts = vec![0, 1, LOG_HEADER_BYTES - 1];
    for frame in 0..=frames {
        let start = LOG_HEADER_BYTES + frame * FRAME_BYTES;
        cuts.extend([0, 1, 23, 24, 2_000, FRAME_BYTES - 1].map(|within| start + within));
    }
    cuts.retain(|cut| *cut <= written.log.len());
    for cut in cuts {
        let expected = written.revision_at(cut);
        found_again(&written, &written.log[..cut], expected, &format!("cut at byte {cut}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_tail_was_never_written_gives_a_prefix_of_commits() {
    let written = write_some(8).await;
    for cut in (LOG_HEADER_BYTES..written.log.len()).step_by(FRAME_BYTES / 4) {
        // The length reached the disk before the data did.
        let mut log = written.log.clone();
        log[cut..].fill(0);
        let expected = written.revision_at(cut);
        found_again(&written, &log, expected, &format!("zeros from byte {cut}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_ends_the_log_before_its_commit() {
    let written = write_some(8).await;
    for flip in (LOG_HEADER_BYTES + 8..written.log.len()).step_by(FRAME_BYTES / 2 - 1) {
        // Frame bytes 8 to 23 and the page are under the checksum that the log is read by.
        let mut log = written.log.clone();
        log[flip] ^= 0x10;
        found_again(&written, &log, written.revision_at(flip), &format!("bit flipped in byte {flip}")).await;
    }
}

async fn found_again(written: &Written, log: &[u8], expected: u64, what: &str) {
    let (_folder, path) = lay_out(written, log);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(*store.watch().borrow(), expected, "{what}");
    let mut total = 0;
    for writer in 0..WRITERS {
        total += batches_of(&store, writer).await;
    }
    assert_eq!(total, expected, "{what}");
    // It goes on from there, and finds that again too.
    let next = batches_of(&store, 0).await + 1;
    assert_eq!(store.commit(batch(0, next, 0)).await.unwrap().revision, expected + 1, "{what}");
    drop(store);
    check_file(&path);
}

fn lay_out(written: &Written, log: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    std::fs::write(&path, &written.file).unwrap();
    std::fs::write(log_of(&path), log).unwrap();
    (folder, path)
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}
