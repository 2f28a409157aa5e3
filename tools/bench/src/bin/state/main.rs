//! Durable commits a second of the SQLite store, beside one plain SQLite transaction a commit, in rounds that alternate
//! on the same disk; and the fsyncs that a commit costs, counted by strace where there is one.
//!
//! A commit writes one object and appends one journal entry of 200 bytes each. The last line holds the figures.

// A bench talks to whoever runs it.
#![allow(clippy::print_stdout)]

mod disk;
mod plain;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use state::{Batch, Expect, Store, Write};
use state_backends::SqliteStore;
use state_backends::sqlite::Stats;
use tempfile::TempDir;
use tokio::task::JoinSet;

use disk::{count_fsyncs, filesystem_of, sync_ms};
use plain::run_plain;

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

fn micros_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
