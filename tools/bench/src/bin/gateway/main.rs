//! The gateway beside nginx and a bare hyper pass-through, in rounds that alternate against one mock replica.
//!
//! What is compared is CPU time a request, as a ratio to nginx in the same round, for small unary requests and for
//! streams of 16 chunks; then what each adds to the latency at a fixed rate, its memory, and how long a stream stalls on
//! a reused connection. The gateway checks keys, scans every body, meters tokens and keeps its metrics; nginx and the
//! pass-through do none of that. Each proxy has one worker, pinned to one core; mock and load share another core.

// A bench talks to whoever runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod load;
mod mock;
mod passthrough;
mod process;
mod under_test;

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use load::{Kind, Target};
use process::Process;

/// Clients of the closed loop.
const CLIENTS: usize = 16;
/// Least part of requests that must succeed for a figure to count.
const SUCCESS_MIN: f64 = 0.999;

/// Measures the gateway beside nginx and a bare pass-through.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; the figures are medians over them.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Unary requests of one measurement.
    #[arg(long, default_value_t = 4_000)]
    unary: usize,
    /// Streams of one measurement.
    #[arg(long, default_value_t = 2_000)]
    streams: usize,
    /// Requests a second when latency is measured.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

/// The parts that run as processes of their own.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(hide = true)]
enum Role {
    /// The mock replica.
    #[command(hide = true)]
    Mock,
    /// The bare pass-through to a port.
    #[command(hide = true)]
    Passthrough { upstream: u16 },
    /// The gateway over a replica at a port.
    #[command(hide = true)]
    UnderTest { upstream: u16 },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.role {
        Some(Role::Mock) => runtime.block_on(mock::serve()),
        Some(Role::Passthrough { upstream }) => runtime.block_on(passthrough::serve(upstream)),
        Some(Role::UnderTest { upstream }) => runtime.block_on(under_test::serve(upstream)),
        None => runtime.block_on(compare(&arguments)),
    }
}

/// The three proxies, nginx first.
const NAMES: [&str; 3] = ["nginx", "pass-through", "gateway"];

async fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    process::pin_self(0)?;
    let folder = tempfile::tempdir()?;
    let mock = Process::start_role(&["mock"], 0)?;
    let upstream = mock.port.to_string();
    let proxies = [
        Process::start_nginx(folder.path(), mock.port, 1)?,
        Process::start_role(&["passthrough", &upstream], 1)?,
        Process::start_role(&["under-test", &upstream], 1)?,
    ];
    for proxy in &proxies {
        let target = Target::of(proxy.port);
        load::wait_until_served(target).await?;
        load::closed_loop(target, Kind::Unary, CLIENTS, 500).await?;
        load::closed_loop(target, Kind::Stream, CLIENTS, 200).await?;
    }
    println!(
        "one worker each, pinned; {CLIENTS} clients; {} rounds; CPU microseconds, median (least to most)",
        arguments.rounds
    );
    let unary = cpu_ratios(arguments.rounds, &proxies, Kind::Unary, arguments.unary).await?;
    let stream = cpu_ratios(arguments.rounds, &proxies, Kind::Stream, arguments.streams).await?;
    latencies(arguments, &mock, &proxies).await?;
    let stall_ms = stalls(&mock, &proxies).await?;
    let rss_mb = proxies[2].peak_memory_mb()?;
    println!(
        "memory at its peak: nginx {:.1} MB, pass-through {:.1} MB, gateway {rss_mb:.1} MB",
        proxies[0].peak_memory_mb()?,
        proxies[1].peak_memory_mb()?
    );
    println!("gateway unary_ratio={unary:.2} stream_ratio={stream:.2} stall_ms={stall_ms:.1} rss_mb={rss_mb:.0}");
    Ok(())
}

/// CPU microseconds a request of each proxy, round by round; the gateway's ratio to nginx in the same round, at the median.
async fn cpu_ratios(rounds: u32, proxies: &[Process; 3], kind: Kind, requests: usize) -> anyhow::Result<f64> {
    let mut micros: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for (proxy, micros) in proxies.iter().zip(&mut micros) {
            let before = proxy.cpu_nanos()?;
            let done = load::closed_loop(Target::of(proxy.port), kind, CLIENTS, requests).await?;
            let spent = proxy.cpu_nanos()? - before;
            ensure!(done.success() >= SUCCESS_MIN, "{} of {} requests failed", done.failed, requests);
            micros.push(to_f64(spent) / 1e3 / to_f64(requests as u64));
        }
    }
    let mut ratios: Vec<f64> = micros[2].iter().zip(&micros[0]).map(|(gateway, nginx)| gateway / nginx).collect();
    for (name, micros) in NAMES.iter().zip(&mut micros) {
        println!("{:>7} {name:<12} {}", kind.name(), spread(micros));
    }
    println!("{:>7} ratio to nginx {}", kind.name(), spread(&mut ratios));
    median(&mut ratios)
}

/// What each adds to the latency of unary requests that come at a fixed rate, whether or not the earlier are done.
async fn latencies(arguments: &Arguments, mock: &Process, proxies: &[Process; 3]) -> anyhow::Result<()> {
    let length = Duration::from_secs(4);
    let direct = load::fixed_rate(Target::of(mock.port), arguments.rate, length).await?;
    println!("latency at {} requests a second: direct p50 {} us, p99 {} us", arguments.rate, direct.0, direct.1);
    for (name, proxy) in NAMES.iter().zip(proxies) {
        let (p50, p99) = load::fixed_rate(Target::of(proxy.port), arguments.rate, length).await?;
        println!("  {name:<12} adds p50 {} us, p99 {} us", p50.saturating_sub(direct.0), p99.saturating_sub(direct.1));
    }
    Ok(())
}

/// How much longer than direct a stream takes on a connection used before, in milliseconds, of the gateway.
async fn stalls(mock: &Process, proxies: &[Process; 3]) -> anyhow::Result<f64> {
    let direct = load::sequential_streams(Target::of(mock.port)).await?;
    let mut last = 0.0;
    for (name, proxy) in NAMES.iter().zip(proxies) {
        let added = load::sequential_streams(Target::of(proxy.port)).await? - direct;
        println!("stream on a reused connection: {name} adds {added:.2} ms");
        last = added.max(0.0);
    }
    Ok(last)
}

fn median(values: &mut [f64]) -> anyhow::Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("no rounds")
}

fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    format!("{:.2} ({:.2} to {:.2})", at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

// Counts and nanoseconds of a bench stay far below 2⁵³, up to which this is exact.
#[allow(clippy::cast_precision_loss)]
fn to_f64(value: u64) -> f64 {
    value as f64
}
