//! Durable commits a second of the SQLite store, beside one plain SQLite transaction a commit, in rounds that alternate
//! on the same disk; and the fsyncs that a commit costs, counted by strace where there is one.
//!
//! A commit writes one object and appends one journal entry of 200 bytes each. The last line holds the figures.

// A bench talks to whoever runs it.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use rusqlite::{Connection, TransactionBehavior};
use state::{Batch, Expect, Store, Write};
use state_backends::SqliteStore;
use state_backends::sqlite::Stats;
use tempfile::TempDir;
use tokio::task::JoinSet;

const WRITERS: [usize; 3] = [1, 32, 256];
const BODY_BYTES: usize = 200;
/// Objects that each writer overwrites in turn.
const OBJECTS: u64 = 100;

/// Measures durable commits a second.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder for the databases, on the disk to measure. Default: beside the bench's own binary.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Rounds; the figures are medians over them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Length of one measurement.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u64).range(1..))]
    millis: u64,
    /// Only commit with 32 writers and print how much; what the bench runs under strace.
    #[arg(long, hide = true)]
    commit_only: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let own = std::env::current_exe()?;
    let beside = own.parent().context("the binary lies in no folder")?;
    let folder = arguments.folder.as_deref().unwrap_or(beside).canonicalize()?;
    let length = Duration::from_millis(arguments.millis);
    let runtime = tokio::runtime::Runtime::new()?;
    if arguments.commit_only {
        let run = runtime.block_on(run_store(&folder, 32, length))?;
        println!("{} {}", run.commits, run.stats.transactions);
        return Ok(());
    }
    let filesystem = filesystem_of(&folder)?;
    ensure!(filesystem != "tmpfs", "{} is in memory, where fsync costs nothing: choose --folder", folder.display());
    println!(
        "folder {} on {filesystem}; one 4 KiB append with fdatasync takes {}",
        folder.display(),
        sync_ms(&folder)?
    );

    let mut groups: [Vec<Run>; 3] = Default::default();
    let mut plains: [Vec<Run>; 3] = Default::default();
    for round in 0..arguments.rounds {
        for (index, writers) in WRITERS.into_iter().enumerate() {
            // Who goes first changes, so that a slow moment of the disk hits neither side alone.
            if round % 2 == 1 {
                plains[index].push(run_plain(&folder, writers, length)?);
            }
            groups[index].push(runtime.block_on(run_store(&folder, writers, length))?);
            if round % 2 == 0 {
                plains[index].push(run_plain(&folder, writers, length)?);
            }
        }
    }
    for (index, writers) in WRITERS.into_iter().enumerate() {
        report(writers, &groups[index], &plains[index]);
    }
    let fsyncs = count_fsyncs(&own, &folder, length, &groups[1])?;
    let [one, some, many] = groups.map(|runs| median(runs.iter().map(Run::per_second)));
    println!(
        "state commits_per_s_1={one:.0} commits_per_s_32={some:.0} commits_per_s_256={many:.0} \
         fsyncs_per_commit_32={fsyncs:.3}"
    );
    Ok(())
}

/// One measurement.
struct Run {
    commits: u64,
    elapsed: Duration,
    latency_us: Histogram<u64>,
    /// Of the store; zero for the plain side.
    stats: Stats,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.commits as f64 / self.elapsed.as_secs_f64()
    }

    fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1e3
    }

    fn from_latencies(
        started: Instant,
        latencies: impl IntoIterator<Item = Vec<u64>>,
        stats: Stats,
    ) -> anyhow::Result<Self> {
        let elapsed = started.elapsed();
        let mut latency_us = Histogram::new(3)?;
        for micros in latencies.into_iter().flatten() {
            latency_us.record(micros)?;
        }
        Ok(Self { commits: latency_us.len(), elapsed, latency_us, stats })
    }
}

async fn run_store(folder: &Path, writers: usize, length: Duration) -> anyhow::Result<Run> {
    let place = TempDir::with_prefix_in("bench-state-", folder)?;
    let store = Arc::new(SqliteStore::open(place.path().join("state.db"))?);
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < length {
                let begun = Instant::now();
                store.commit(batch(writer, latencies.len() as u64)).await?;
                latencies.push(micros_since(begun));
            }
            Ok::<_, state::StoreError>(latencies)
        });
    }
    let latencies = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Run::from_latencies(started, latencies, store.stats())
}

fn batch(writer: usize, number: u64) -> Batch {
    let name = format!("{writer}/{}", number % OBJECTS);
    Batch::new()
        .with(Write::Put { kind: "bench".to_owned(), name, body: body(), expect: Expect::Any })
        .with(Write::Append { journal: format!("bench/{writer}"), body: body() })
}

fn body() -> String {
    "x".repeat(BODY_BYTES)
}

/// What one would write without a store: the same rows, a shared connection, one transaction a commit.
fn run_plain(folder: &Path, writers: usize, length: Duration) -> anyhow::Result<Run> {
    let place = TempDir::with_prefix_in("bench-state-", folder)?;
    let connection = Connection::open(place.path().join("plain.db"))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_row| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE objects (kind TEXT, name TEXT, version INTEGER, body TEXT, PRIMARY KEY (kind, name)) STRICT;
         CREATE TABLE entries (journal TEXT, position INTEGER, body TEXT, PRIMARY KEY (journal, position)) STRICT;",
    )?;
    let connection = Mutex::new(connection);
    let started = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let shared = &connection;
        let threads: Vec<_> =
            (0..writers).map(|writer| scope.spawn(move || commit_plainly(shared, writer, started, length))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Run::from_latencies(started, latencies, Stats::default())
}

fn commit_plainly(
    connection: &Mutex<Connection>,
    writer: usize,
    started: Instant,
    length: Duration,
) -> anyhow::Result<Vec<u64>> {
    let mut latencies = Vec::new();
    while started.elapsed() < length {
        let begun = Instant::now();
        let number = latencies.len() as u64;
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let name = format!("{writer}/{}", number % OBJECTS);
        transaction.prepare_cached("INSERT OR REPLACE INTO objects VALUES ('bench', ?1, ?2, ?3)")?.execute((
            name,
            i64::try_from(number)?,
            body(),
        ))?;
        transaction.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3)")?.execute((
            format!("bench/{writer}"),
            i64::try_from(number)?,
            body(),
        ))?;
        transaction.commit()?;
        drop(connection);
        latencies.push(micros_since(begun));
    }
    Ok(latencies)
}

fn report(writers: usize, groups: &[Run], plains: &[Run]) {
    let rate = median(groups.iter().map(Run::per_second));
    let plain = median(plains.iter().map(Run::per_second));
    let ratio = median(groups.iter().zip(plains).map(|(group, plain)| group.per_second() / plain.per_second()));
    let p50 = median(groups.iter().map(|run| run.latency_ms(0.5)));
    let p99 = median(groups.iter().map(|run| run.latency_ms(0.99)));
    let plain_p99 = median(plains.iter().map(|run| run.latency_ms(0.99)));
    println!(
        "{writers:>3} writers: {rate:>6.0} commits/s (p50 {p50:.2} ms, p99 {p99:.2} ms, {:.3} transactions a commit); \
         one transaction a commit {plain:>5.0}/s (p99 {plain_p99:.2} ms); ratio {ratio:.2}",
        median(groups.iter().map(transactions_per_commit)),
    );
}

fn transactions_per_commit(run: &Run) -> f64 {
    run.stats.transactions as f64 / run.stats.batches as f64
}

/// Fsyncs a commit with 32 writers: counted by strace, or, where there is none, as the store's transactions, each of
/// which syncs the log once (writing the log back costs a few more, which then are not counted).
fn count_fsyncs(own: &Path, folder: &Path, length: Duration, untraced: &[Run]) -> anyhow::Result<f64> {
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
fn sync_ms(folder: &Path) -> anyhow::Result<String> {
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
fn filesystem_of(folder: &Path) -> anyhow::Result<String> {
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

fn micros_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
