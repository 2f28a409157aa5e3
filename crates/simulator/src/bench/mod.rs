//! The table of all comparisons on a folder of public data, with the bars of the literature beside what was measured.
//!
//! `docs/data.md` says how the folder is laid out. Sets that are not there are named, not guessed.

mod batch;
mod scale;
mod serve;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::problem::SimulationError;
use crate::svg::Chart;

/// `simulate bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// Folder of public data, laid out as docs/data.md says.
    #[arg(long)]
    pub data: PathBuf,
    /// Folder to write pictures into.
    #[arg(long)]
    pub images: Option<PathBuf>,
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
    pub rows: Vec<Row>,
    /// Sets that were looked for and not found.
    pub absent: Vec<String>,
    /// Pictures written.
    pub pictures: Vec<String>,
}

impl BenchReport {
    /// The rows as a Markdown table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text =
            "| what | rivals, same world | ours | bound | aim | met |\n|---|---|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "-",
            };
            text +=
                &format!("| {} | {} | {} | {} | {} | {met} |\n", row.what, row.rivals, row.ours, row.bound, row.aim);
        }
        for set in &self.absent {
            text += &format!("\nabsent: {set}");
        }
        for picture in &self.pictures {
            text += &format!("\nwrote {picture}");
        }
        text.trim_end().to_owned()
    }
}

/// Sets that the aims speak of, by path inside the data folder.
const EXPECTED: [&str; 4] = [
    "spot/availability-1-node-aws-2023-02-15",
    "spot/availability-1-node-aws-2022-10-26",
    "spot/preemption-4-node-aws-2023-08-03",
    "load/servegen_m-large_rate_600s.csv",
];

/// Runs every comparison that the folder has data for.
pub fn bench(args: &BenchArgs) -> Result<BenchReport, SimulationError> {
    if !args.data.is_dir() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such folder");
        return Err(SimulationError::Unreadable { path: args.data.clone(), cause });
    }
    let absent = EXPECTED.iter().filter(|set| !args.data.join(set).exists()).map(|set| (*set).to_owned()).collect();
    let mut report = BenchReport { rows: Vec::new(), absent, pictures: Vec::new() };
    let mut charts: Vec<(String, Chart)> = Vec::new();
    for (name, folder) in spot_folders(&args.data.join("spot"))? {
        if name.starts_with("availability-1-node") {
            let (rows, chart) = batch::compare(&name, &folder)?;
            report.rows.extend(rows);
            charts.push((format!("spot-batch-{name}"), chart));
        } else if name.starts_with("preemption-4-node") {
            let (rows, chart) = serve::compare(&name, &folder)?;
            report.rows.extend(rows);
            charts.push((format!("spot-serve-{name}"), chart));
        }
    }
    let rates = args.data.join("load/servegen_m-large_rate_600s.csv");
    if rates.exists() {
        let (rows, chart) = scale::compare(&rates)?;
        report.rows.extend(rows);
        charts.push(("autoscale-servegen-m-large".to_owned(), chart));
    }
    if let Some(folder) = &args.images {
        report.pictures = write_pictures(folder, &charts)?;
    }
    Ok(report)
}

fn spot_folders(root: &Path) -> Result<Vec<(String, PathBuf)>, SimulationError> {
    let Ok(entries) = fs::read_dir(root) else { return Ok(Vec::new()) };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| SimulationError::Unreadable { path: root.to_owned(), cause })?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_dir()) {
            folders.push((name.to_string_lossy().into_owned(), path));
        }
    }
    folders.sort();
    Ok(folders)
}

fn write_pictures(folder: &Path, charts: &[(String, Chart)]) -> Result<Vec<String>, SimulationError> {
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |cause| SimulationError::Unreadable { path, cause }
    };
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let mut written = Vec::new();
    for (name, chart) in charts {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, chart.render()).map_err(unwritable(&path))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}
