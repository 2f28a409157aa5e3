//! A disk that fails in the middle of a commit: the store says so, writes nothing while it fails, goes on when it works
//! again, and has everything that it acknowledged.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use state::Store;
use state_backends::SqliteStore;

use crate::workload::{batch, batches_of, check_file};

/// Blocks of 512 bytes (1,024 in some shells) that the child may write into one file; then writes fail.
const FILE_BLOCKS: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_on_when_its_disk_works_again_and_has_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    // With the signal ignored, a write beyond the limit fails with EFBIG, which SQLite takes for a failing disk.
    let limited = format!("trap '' XFSZ; ulimit -S -f {FILE_BLOCKS}; exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "failing_disk::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let acknowledged = said.lines().filter(|line| *line == "ack").count() as u64;
    assert!(acknowledged > 0, "{said}");
    let failures: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("failed: ")).collect();
    assert_eq!(failures.len(), 3, "{said}");
    assert!(failures.iter().all(|failure| failure.contains("I/O")), "{said}");
    assert!(said.lines().any(|line| line == "recovered"), "{said}");

    let store = SqliteStore::open(&path).unwrap();
    let found = batches_of(&store, 0).await;
    assert!((acknowledged..=acknowledged + 1).contains(&found), "{acknowledged} acknowledged, {found} found");
    store.commit(batch(0, found + 1, 0)).await.unwrap();
    drop(store);
    check_file(&path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process whose disk fails: reads the path of its file from its input"]
async fn child() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.is_empty() {
        return;
    }
    let store = SqliteStore::open(path.trim_end()).unwrap();
    // The harness may have begun a line of its own.
    std::io::stdout().write_all(b"\n").unwrap();
    let (mut failures, mut number) = (0, 1);
    while failures < 3 {
        let line = match store.commit(batch(0, number, 4_000)).await {
            Ok(_) => "ack\n".to_owned(),
            Err(error) => {
                failures += 1;
                format!("failed: {error}\n")
            }
        };
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        // Reads go on, and show whether what failed was kept.
        number = batches_of(&store, 0).await + 1;
    }
    // The disk has room again.
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
    for number in number..number + 3 {
        store.commit(batch(0, number, 4_000)).await.unwrap();
        std::io::stdout().write_all(b"ack\n").unwrap();
    }
    std::io::stdout().write_all(b"recovered\n").unwrap();
}
