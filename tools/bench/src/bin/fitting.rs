//! What it takes to fit conversations far beyond their model's window: processor time, and memory beside the body's.
//!
//! The work is the gateway's: messages as slices of the body, a window found by few counts, the rest written out. The
//! model is the demo model, with its window or a larger one.

// A bench talks to whoever runs it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::{Context, ensure};
use clap::Parser;
use domain::Timestamp;
use llm::context::{Budget, Messages, Metadata, Reader, Room};
use nix::time::{ClockId, clock_gettime};

/// Measures the fitting of long conversations.
#[derive(Debug, Parser)]
struct Arguments {
    /// User turns of one word each.
    #[arg(long, default_value_t = 200_000)]
    turns: usize,
    /// The window, in tokens.
    #[arg(long, default_value_t = 1_024)]
    window: u64,
    /// Rounds; the least processor time of them counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The model file.
    #[arg(long, default_value = "models/demo.gguf")]
    model: std::path::PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let file = std::fs::read(&arguments.model).with_context(|| arguments.model.display().to_string())?;
    let reader = Reader::from_metadata(&Metadata::parse(&file)?)?;
    drop(file);
    let before_kib = peak_kib()?;
    let mut body = r#"[{"role":"system","content":"Be brief."}"#.to_owned();
    (0..arguments.turns).for_each(|_| body.push_str(r#",{"role":"user","content":"hi"}"#));
    body.push(']');
    let mut least = f64::INFINITY;
    for _ in 0..arguments.rounds {
        let began = processor_seconds()?;
        let dropped = fitted(&reader, &body, arguments.window)?;
        least = least.min(processor_seconds()? - began);
        eprintln!("dropped {dropped} of {} messages", arguments.turns);
    }
    // The body that was made here counts once, as the one that a gateway holds does.
    let memory_ratio = (peak_kib()?.saturating_sub(before_kib) * 1_024) as f64 / body.len() as f64;
    println!("fitting turns={} seconds={least:.3} memory_ratio={memory_ratio:.2}", arguments.turns);
    Ok(())
}

fn fitted(reader: &Reader, body: &str, window: u64) -> anyhow::Result<usize> {
    let budget = Budget::of(1 << 29);
    let mut messages = Messages::read(reader, body.as_bytes(), &budget)?;
    let fit = messages.fit(Room { context_tokens: window, max_tokens: None }, Timestamp(0))?;
    ensure!(messages.json_of(fit.window).len() <= body.len(), "what is left is no longer than what came");
    Ok(fit.dropped_messages)
}

/// Seconds of processor time that this process has taken.
fn processor_seconds() -> anyhow::Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

/// The most memory that this process has had so far.
fn peak_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
