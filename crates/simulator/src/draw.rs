//! Writes worlds of the project's own seeded generators to files, in the forms that the other commands read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::budget::{Change, SpendWorld, csv};
use crate::generate::{SpotWorld, request_rates};
use crate::problem::{SimulationError, positive};
use crate::route::made;
use crate::trace::ZoneTrace;

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
        /// What they are called, with commas between, in place of zone-00 and so on.
        #[arg(long, value_delimiter = ',', conflicts_with = "zones")]
        names: Vec<String>,
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
    /// A CSV of spend by tenant, model, region and class.
    #[command(allow_negative_numbers = true)]
    Spend {
        /// The file; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
        /// Decides what is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Days.
        #[arg(long, default_value_t = 60)]
        days: u32,
        /// Hours of a period: a divisor of 24.
        #[arg(long, default_value_t = 1)]
        period_hours: u32,
        /// Dollars a day, roughly the mean.
        #[arg(long, default_value_t = 1_000.0)]
        mean_usd_per_day: f64,
        /// Six hours of more spend, as tenant=mill@12*3: from day 12 on three times as much.
        #[arg(long)]
        spike: Option<Change>,
        /// More spend to stay, reached within five days, as region=us@20*1.5.
        #[arg(long)]
        drift: Option<Change>,
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

/// Texts by the name of their file.
type Files = Vec<(String, String)>;

/// What is written: one file, or a folder of them.
enum Texts {
    File(String),
    Folder(Files),
}

/// Draws and writes.
pub fn generate(args: &GenerateArgs) -> Result<GenerateReport, SimulationError> {
    match &args.what {
        Drawn::Traces { out, seed, zones, names, nodes, ticks, tick_seconds } => {
            let zones = if names.is_empty() { *zones } else { checked_names(names)? };
            let tick_s = positive("tick-seconds", *tick_seconds)?;
            let shape = SpotWorld { zones, nodes: *nodes, ticks: *ticks, tick_s, ..SpotWorld::default() };
            write(out, Texts::Folder(traces(&shape, names, *seed)?))
        }
        Drawn::Rates { out, seed, days, mean_rate } => write(out, Texts::File(rates(*days, *mean_rate, *seed)?)),
        Drawn::Spend { out, seed, days, period_hours, mean_usd_per_day, spike, drift } => {
            let (spike, drift) = (spike.clone(), drift.clone());
            let mean_usd_per_day = *mean_usd_per_day;
            let world = SpendWorld { days: *days, period_hours: *period_hours, mean_usd_per_day, spike, drift };
            write(out, Texts::File(spend(&world, *seed)?))
        }
        Drawn::Clients { out, seed, clients, days, mean_rate } => {
            let mean_rate = positive("mean-rate", *mean_rate)?;
            at_least_one("clients", *clients)?;
            bounded("days", clients.saturating_mul(*days as usize).saturating_mul(144))?;
            write(out, Texts::Folder(made::clients(*clients, *days, mean_rate, *seed)))
        }
        Drawn::Lengths { out, seed, requests } => {
            bounded("requests", *requests)?;
            write(out, Texts::File(made::lengths(*requests, *seed)))
        }
    }
}

fn traces(shape: &SpotWorld, names: &[String], seed: u64) -> Result<Files, SimulationError> {
    at_least_one("zones", shape.zones)?;
    bounded("ticks", shape.zones.saturating_mul(shape.ticks))?;
    if shape.nodes == 0 {
        return Err(SimulationError::argument("nodes", "a zone that never holds a node is no trace"));
    }
    let file = |(at, zone): (usize, ZoneTrace)| {
        let form = serde_json::json!({ "metadata": { "gap_seconds": shape.tick_s }, "data": zone.nodes });
        (format!("{}.json", names.get(at).unwrap_or(&zone.name)), form.to_string())
    };
    Ok(shape.generate(seed).zones.into_iter().enumerate().map(file).collect())
}

fn rates(days: u32, mean_rate: f64, seed: u64) -> Result<String, SimulationError> {
    let mean_rate = positive("mean-rate", mean_rate)?;
    bounded("days", (days as usize).saturating_mul(144))?;
    let mut text = "model,t_seconds,requests_per_second_total,active_clients\n".to_owned();
    for (at_s, rate) in request_rates(days, mean_rate, seed) {
        let _ = writeln!(text, "drawn,{at_s},{rate:.3},1");
    }
    Ok(text)
}

fn spend(world: &SpendWorld, seed: u64) -> Result<String, SimulationError> {
    let (usd, hours) = (positive("mean-usd-per-day", world.mean_usd_per_day)?, world.period_hours);
    if usd > 1e6 {
        return Err(SimulationError::argument("mean-usd-per-day", format!("{usd} is over 1e6")));
    }
    if hours == 0 || 24 % hours != 0 {
        return Err(SimulationError::argument("period-hours", format!("{hours} does not divide 24")));
    }
    let [spike, drift] = world.unseen();
    for (flag, change) in [("spike", spike), ("drift", drift)] {
        if let Some(change) = change {
            let cause = format!("from day {} on it changes no period of {hours} h in {} days", change.day, world.days);
            return Err(SimulationError::argument(flag, cause));
        }
    }
    // 24 rows a period.
    bounded("days", (world.days as usize).saturating_mul(24 * 24))?;
    Ok(csv(&world.generate(seed)))
}

/// Nothing is overwritten.
fn write(out: &Path, texts: Texts) -> Result<GenerateReport, SimulationError> {
    if out.exists() {
        return Err(SimulationError::argument("out", format!("{} is there already", out.display())));
    }
    let files = match texts {
        Texts::File(text) => vec![written(out, &text)?],
        Texts::Folder(files) => {
            fs::create_dir_all(out).map_err(|cause| SimulationError::Unreadable { path: out.to_owned(), cause })?;
            files.iter().map(|(name, text)| written(&out.join(name), text)).collect::<Result<_, _>>()?
        }
    };
    Ok(GenerateReport { files })
}

/// Names become files, so they are plain and differ.
fn checked_names(names: &[String]) -> Result<usize, SimulationError> {
    let plain = |name: &&String| {
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
    };
    if let Some(name) = names.iter().find(|name| !plain(name)) {
        return Err(SimulationError::argument("names", format!("{name:?} is not made of letters, digits, - and _")));
    }
    if let Some(name) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name)) {
        return Err(SimulationError::argument("names", format!("{name:?} is there twice")));
    }
    Ok(names.len())
}

fn at_least_one(flag: &'static str, count: usize) -> Result<(), SimulationError> {
    if count > 0 { Ok(()) } else { Err(SimulationError::argument(flag, "0 is not 1 or more")) }
}

fn bounded(flag: &'static str, count: usize) -> Result<(), SimulationError> {
    if (1..=DRAWN_MAX).contains(&count) {
        Ok(())
    } else {
        Err(SimulationError::argument(flag, format!("{count} numbers are not 1 to {DRAWN_MAX}")))
    }
}

fn written(path: &Path, text: &str) -> Result<String, SimulationError> {
    fs::write(path, text).map_err(|cause| SimulationError::Unreadable { path: path.to_owned(), cause })?;
    Ok(path.display().to_string())
}
