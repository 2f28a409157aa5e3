//! A commit is answered only when the disk has said that it is written. In a process whose syncs all fail, the first
//! commit must fail too; with `synchronous=NORMAL` it would succeed, since then only the writing back of the log syncs.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use state::Store;
use state_backends::SqliteStore;

use crate::workload::{batch, batches_of, check_file};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_commit_is_answered_before_the_disk_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sync::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("commit ")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(lines[0], "commit 1: ok");
    assert!(lines[1].contains("I/O"), "the disk never said that it is written: {said}");
    assert!(lines[2].contains("I/O"), "nothing is acknowledged as long as syncs fail: {said}");

    let store = SqliteStore::open(&path).unwrap();
    assert!((1..=2).contains(&batches_of(&store, 0).await), "what was acknowledged, and perhaps what was not");
    drop(store);
    check_file(&path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process whose syncs fail: reads the path of its file from its input"]
async fn child() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.is_empty() {
        return;
    }
    let store = SqliteStore::open(path.trim_end()).unwrap();
    // The harness may have begun a line of its own.
    let mut said = "\n".to_owned();
    for number in 1..=3 {
        if number == 2 {
            fail_all_syncs();
        }
        let outcome =
            store.commit(batch(0, number, 0)).await.map_or_else(|error| error.to_string(), |_| "ok".to_owned());
        said.push_str(&format!("commit {number}: {outcome}\n"));
    }
    std::io::stdout().write_all(said.as_bytes()).unwrap();
}

/// From here on every sync of this process fails as on a broken disk.
fn fail_all_syncs() {
    let syncs = [libc::SYS_fsync, libc::SYS_fdatasync].map(|call| (call, Vec::new()));
    let error = SeccompAction::Errno(u32::try_from(libc::EIO).unwrap());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(BTreeMap::from(syncs), SeccompAction::Allow, error, arch).unwrap();
    apply_filter_all_threads(&BpfProgram::try_from(filter).unwrap()).unwrap();
}
