//! The table of all comparisons, on a folder of public data and on generated worlds, with the known bars beside them.
//!
//! `docs/data.md` says how the folder is laid out. Sets that are not there are named, not guessed. Comparisons run one
//! after the other, since some of them measure time.

mod bars;
mod batch;
mod checkpoint;
mod egress;
mod flows;
mod parts;
mod place;
mod route;
mod scale;
mod serve;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

pub use self::bars::{Beside, Source};
use self::parts::{Part, parts};
use crate::problem::{SimulationError, positive};
use crate::svg::Picture;

/// `simulate bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Folder of public data, laid out as docs/data.md says.
    #[arg(long)]
    pub data: PathBuf,
    /// Folder to write pictures into.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// Requests to draw where the speed of routing is measured.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    pub drawn_requests: usize,
    /// Hours of flows.
    #[arg(long, default_value_t = 24.0, value_name = "HOURS")]
    pub flow_hours: f64,
    /// Large placement problems of each shape.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub placements: usize,
    /// Offers of a large placement problem; the bar is that of 1,000.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub offers: usize,
    /// Small placement problems that a whole-number programme solves too.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub agreements: usize,
}

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was compared, on which set.
    pub what: String,
    /// What others reach, measured in the same world.
    pub rivals: String,
    /// What the product's own policy reaches.
    pub ours: String,
    /// What nobody can beat in this world.
    pub bound: String,
    /// What was aimed at.
    pub aim: String,
    /// Whether it was reached; nothing where the row only informs.
    pub met: Option<bool>,
}

/// All comparisons that the data allowed.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// The comparisons.
    pub rows: Vec<Beside>,
    /// Sets that were looked for and not found.
    pub absent: Vec<String>,
    /// Pictures written.
    pub pictures: Vec<String>,
}

/// Sets that the aims speak of, by path inside the data folder.
const EXPECTED: [&str; 5] = [
    "spot/availability-1-node-aws-2023-02-15",
    "spot/availability-1-node-aws-2022-10-26",
    "spot/preemption-4-node-aws-2023-08-03",
    RATES,
    REQUESTS,
];
const RATES: &str = "load/servegen_m-large_rate_600s.csv";
const REQUESTS: &str = "load/mooncake_conversation.jsonl";

/// Runs every comparison that the folder has data for, and those that need none. Shows how far it is on a terminal.
///
/// # Errors
/// When the folder is not there, a file in it is malformed, an argument makes no sense, or a picture cannot be written.
pub fn bench(args: &BenchArgs) -> Result<BenchReport, SimulationError> {
    if !args.data.is_dir() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such folder");
        return Err(SimulationError::Unreadable { path: args.data.clone(), cause });
    }
    for (flag, count) in [
        ("drawn-requests", args.drawn_requests),
        ("placements", args.placements),
        ("offers", args.offers),
        ("agreements", args.agreements),
    ] {
        if count == 0 {
            return Err(SimulationError::argument(flag, "there is nothing to measure"));
        }
    }
    positive("flow-hours", args.flow_hours)?;
    let absent = EXPECTED.iter().filter(|set| !args.data.join(set).exists()).map(|set| (*set).to_owned()).collect();
    let mut report = BenchReport { rows: Vec::new(), absent, pictures: Vec::new() };
    for part in parts::run_all(parts(args)?)? {
        let Part { rows, pictures } = part;
        report.rows.extend(rows);
        if let Some(folder) = &args.images {
            report.pictures.extend(write_pictures(folder, &pictures)?);
        }
    }
    Ok(report)
}

fn write_pictures(folder: &Path, pictures: &[(String, Picture)]) -> Result<Vec<String>, SimulationError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |cause| SimulationError::Unreadable { path, cause }
    };
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let mut written = Vec::new();
    for (name, picture) in pictures {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, picture.render()).map_err(unwritable(&path))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}
