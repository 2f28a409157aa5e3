//! The disk under the measurement: its filesystem, the time of one sync, and the syncs that commits cost.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::{Run, median, micros_since, transactions_per_commit};

/// Fsyncs a commit with 32 writers: counted by strace, or, where there is none, as the store's transactions, each of
/// which syncs the log once (writing the log back costs a few more, which then are not counted).
pub(crate) fn count_fsyncs(own: &Path, folder: &Path, length: Duration, untraced: &[Run]) -> anyhow::Result<f64> {
    let counted_by_store = median(untraced.iter().map(transactions_per_commit));
    let place = TempDir::with_prefix_in("bench-state-", folder)?;
    let summary = place.path().join("strace");
    let traced = Command::new("strace")
        .args(["-f", "-c", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o"])
        .arg(&summary)
        .arg(own)
        .args(["--commit-only", "--millis", &length.as_millis().to_string(), "--folder"])
        .arg(folder)
        .output();
    let output = match traced {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)?,
        _ => {
            println!("fsyncs: no strace here, so the store's own count of transactions stands");
            return Ok(counted_by_store);
        }
    };
    let (commits, transactions) = output.trim().split_once(' ').context("what the traced bench printed")?;
    let (commits, transactions): (u64, u64) = (commits.parse()?, transactions.parse()?);
    let calls = sync_calls(&std::fs::read_to_string(&summary)?)?;
    ensure!(calls >= transactions, "{calls} fsyncs for {transactions} transactions: commits are not durable");
    let per_commit = calls as f64 / commits as f64;
    println!(
        "fsyncs: strace saw {calls} sync calls in a run of {commits} commits in {transactions} transactions, the file's \
         opening and closing included; untraced runs made {counted_by_store:.3} transactions a commit"
    );
    Ok(per_commit)
}

/// Adds up the column "calls" of strace's summary.
fn sync_calls(summary: &str) -> anyhow::Result<u64> {
    let mut calls = 0;
    for line in summary.lines() {
        let columns: Vec<_> = line.split_whitespace().collect();
        if let [_, _, _, count, .., "fsync" | "fdatasync" | "sync_file_range" | "msync"] = columns[..] {
            calls += count.parse::<u64>().with_context(|| format!("strace printed {line:?}"))?;
        }
    }
    ensure!(calls > 0, "strace saw no fsync at all:\n{summary}");
    Ok(calls)
}

/// The median time of an append that reaches the disk: what bounds a single writer.
pub(crate) fn sync_ms(folder: &Path) -> anyhow::Result<String> {
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        std::io::Write::write_all(&mut file, &[1; 4_096])?;
        file.sync_data()?;
        times.push(micros_since(begun) as f64);
    }
    Ok(format!("{:.2} ms", median(times.into_iter()) / 1e3))
}

/// The type of the filesystem that holds a folder, as the kernel's table of mounts has it.
pub(crate) fn filesystem_of(folder: &Path) -> anyhow::Result<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("only Linux says which filesystem this is")?;
    let mut deepest = None;
    for line in mounts.lines() {
        let mut columns = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (columns.next(), columns.next()) else { bail!("mounts has a line {line:?}") };
        let depth = Path::new(point).components().count();
        // Of two on one point the later covers the earlier.
        if folder.starts_with(point) && deepest.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            deepest = Some((depth, kind.to_owned()));
        }
    }
    deepest.map(|(_, kind)| kind).context("no mount holds the folder")
}
