//! Writes worlds of the project's own seeded generators to files, in the forms that the other commands read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::generate::{SpotWorld, request_rates};
use crate::problem::{SimulationError, positive};
use crate::route::made;

/// `simulate generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    what: Drawn,
}

/// What can be drawn.
#[derive(Debug, Clone, Subcommand)]
enum Drawn {
    /// A folder of spot traces, one JSON file a zone.
    #[command(allow_negative_numbers = true)]
    Traces {
        /// The folder; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
        /// Decides what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many zones.
        #[arg(long, default_value_t = 3)]
        zones: usize,
        /// Most nodes a zone can hold.
        #[arg(long, default_value_t = 1)]
        nodes: u32,
        /// Ticks of the trace.
        #[arg(long, default_value_t = 2_000)]
        ticks: usize,
        /// Seconds a tick.
        #[arg(long, default_value_t = 300.0)]
        tick_seconds: f64,
    },
    /// A CSV of request rates every 600 s.
    #[command(allow_negative_numbers = true)]
    Rates {
        /// The file; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
        /// Decides what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Days.
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// Requests a second, roughly the mean.
        #[arg(long, default_value_t = 50.0)]
        mean_rate: f64,
    },
    /// A folder of clients with their rates and burstiness every 600 s, for `route --clients`.
    #[command(allow_negative_numbers = true)]
    Clients {
        /// The folder; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
        /// Decides what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many clients.
        #[arg(long, default_value_t = 20)]
        clients: usize,
        /// Days.
        #[arg(long, default_value_t = 1)]
        days: u32,
        /// Requests a second of all together, roughly the mean.
        #[arg(long, default_value_t = 10.0)]
        mean_rate: f64,
    },
    /// A CSV of the lengths of prompts and answers, for `route --lengths`.
    Lengths {
        /// The file; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
        /// Decides what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many requests.
        #[arg(long, default_value_t = 5_000)]
        requests: usize,
    },
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct GenerateReport {
    /// Files, in order of name.
    pub files: Vec<String>,
}

/// Most numbers drawn.
const DRAWN_MAX: usize = 50_000_000;

/// Draws and writes.
pub fn generate(args: &GenerateArgs) -> Result<GenerateReport, SimulationError> {
    match &args.what {
        Drawn::Traces { out, seed, zones, nodes, ticks, tick_seconds } => {
            let tick_s = positive("tick-seconds", *tick_seconds)?;
            bounded("ticks", zones.saturating_mul(*ticks))?;
            if *nodes == 0 {
                return Err(SimulationError::argument("nodes", "a zone that never holds a node is no trace"));
            }
            let shape = SpotWorld { zones: *zones, nodes: *nodes, ticks: *ticks, tick_s, ..SpotWorld::default() };
            absent(out)?;
            fs::create_dir_all(out).map_err(|cause| SimulationError::Unreadable { path: out.clone(), cause })?;
            let mut files = Vec::new();
            for zone in shape.generate(*seed).zones {
                let form = serde_json::json!({ "metadata": { "gap_seconds": tick_s }, "data": zone.nodes });
                files.push(written(&out.join(format!("{}.json", zone.name)), &form.to_string())?);
            }
            Ok(GenerateReport { files })
        }
        Drawn::Rates { out, seed, days, mean_rate } => {
            let mean_rate = positive("mean-rate", *mean_rate)?;
            bounded("days", (*days as usize).saturating_mul(144))?;
            absent(out)?;
            let mut text = "model,t_seconds,requests_per_second_total,active_clients\n".to_owned();
            for (at_s, rate) in request_rates(*days, mean_rate, *seed) {
                let _ = writeln!(text, "drawn,{at_s},{rate:.3},1");
            }
            Ok(GenerateReport { files: vec![written(out, &text)?] })
        }
        Drawn::Clients { out, seed, clients, days, mean_rate } => {
            let mean_rate = positive("mean-rate", *mean_rate)?;
            bounded("days", clients.saturating_mul(*days as usize).saturating_mul(144))?;
            absent(out)?;
            fs::create_dir_all(out).map_err(|cause| SimulationError::Unreadable { path: out.clone(), cause })?;
            let files = made::clients(*clients, *days, mean_rate, *seed);
            let files = files.iter().map(|(name, text)| written(&out.join(name), text)).collect::<Result<_, _>>()?;
            Ok(GenerateReport { files })
        }
        Drawn::Lengths { out, seed, requests } => {
            bounded("requests", *requests)?;
            absent(out)?;
            Ok(GenerateReport { files: vec![written(out, &made::lengths(*requests, *seed))?] })
        }
    }
}

fn bounded(flag: &'static str, count: usize) -> Result<(), SimulationError> {
    if (1..=DRAWN_MAX).contains(&count) {
        Ok(())
    } else {
        Err(SimulationError::argument(flag, format!("{count} numbers are not 1 to {DRAWN_MAX}")))
    }
}

/// Nothing is overwritten.
fn absent(path: &Path) -> Result<(), SimulationError> {
    if path.exists() {
        Err(SimulationError::argument("out", format!("{} is there already", path.display())))
    } else {
        Ok(())
    }
}

fn written(path: &Path, text: &str) -> Result<String, SimulationError> {
    fs::write(path, text).map_err(|cause| SimulationError::Unreadable { path: path.to_owned(), cause })?;
    Ok(path.display().to_string())
}
