//! The parts of the bench, in the order of the table, and how far it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::bars::{self, Beside, beside};
use super::{BenchArgs, RATES, REQUESTS, Row, batch, checkpoint, egress, flows, place, route, scale, serve};
use crate::problem::SimulationError;
use crate::svg::{Chart, Picture};

/// What a part of the bench found.
#[derive(Debug)]
pub struct Part {
    /// Comparisons.
    pub rows: Vec<Beside>,
    /// Pictures, by the name of their file.
    pub pictures: Vec<(String, Picture)>,
}

/// A part still to be run, with what it is called meanwhile.
type Planned<'a> = (String, Box<dyn FnOnce() -> Result<Part, SimulationError> + 'a>);

/// Every part that there is data for.
pub fn parts(args: &BenchArgs) -> Result<Vec<Planned<'_>>, SimulationError> {
    let mut parts: Vec<Planned<'_>> = Vec::new();
    for (name, folder) in spot_folders(&args.data.join("spot"))? {
        if name.starts_with("availability-1-node") {
            let of = (name.clone(), folder.clone());
            parts.push((
                format!("batch, {name}"),
                Box::new(move || Ok(batch_part(&of.0, batch::compare(&of.0, &of.1)?))),
            ));
            let run = move || {
                Ok(charted(&format!("checkpoint-{name}"), checkpoint::compare(&name, &folder)?, &bars::CHECKPOINT))
            };
            parts.push(("checkpoints".to_owned(), Box::new(run)));
        } else if name.starts_with("preemption-4-node") {
            let run = move || Ok(charted(&format!("spot-serve-{name}"), serve::compare(&name, &folder)?, &bars::SERVE));
            parts.push(("serving".to_owned(), Box::new(run)));
        }
    }
    let drawn = || Ok(Part { rows: beside(batch::drawn()?, &bars::BATCH_DRAWN), pictures: Vec::new() });
    parts.push(("batch, drawn".to_owned(), Box::new(drawn)));
    let rates = args.data.join(RATES);
    if rates.exists() {
        let run = move || Ok(charted("autoscale-servegen-m-large", scale::compare(&rates)?, &bars::SCALE));
        parts.push(("autoscale".to_owned(), Box::new(run)));
    }
    let requests = args.data.join(REQUESTS);
    if requests.exists() {
        parts.push(("routing".to_owned(), Box::new(move || route::compare(&requests))));
    }
    parts.push(("speed of routing".to_owned(), Box::new(|| route::speed(args.drawn_requests))));
    parts.push(("flows".to_owned(), Box::new(|| flows::compare(args.flow_hours))));
    parts.push(("placement".to_owned(), Box::new(|| place::compare(args))));
    parts.push(("egress".to_owned(), Box::new(egress::compare)));
    Ok(parts)
}

/// Runs the parts one after the other; a line on standard error says which, when that is a terminal.
pub fn run_all(parts: Vec<Planned<'_>>) -> Result<Vec<Part>, SimulationError> {
    // Hidden by itself when standard error is no terminal.
    let progress = ProgressBar::new(parts.len() as u64);
    // The template is a constant that parses; the default serves as well.
    if let Ok(style) = ProgressStyle::with_template("{spinner} [{pos}/{len}] {msg} [{elapsed}]") {
        progress.set_style(style);
    }
    if !progress.is_hidden() {
        progress.enable_steady_tick(Duration::from_millis(200));
    }
    let mut done = Vec::with_capacity(parts.len());
    for (name, run) in parts {
        progress.set_message(name);
        progress.inc(1);
        done.push(run()?);
    }
    progress.finish_and_clear();
    Ok(done)
}

fn charted(picture: &str, (rows, chart): (Vec<Row>, Chart), source: &bars::Source) -> Part {
    Part { rows: beside(rows, source), pictures: vec![(picture.to_owned(), chart.into())] }
}

/// The bar of jobs that may move is another than that of jobs in one zone.
fn batch_part(name: &str, (rows, chart): (Vec<Row>, Chart)) -> Part {
    let (each, together): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.what.contains("each of"));
    let mut part = charted(&format!("spot-batch-{name}"), (each, chart), &bars::BATCH_EACH);
    part.rows.extend(beside(together, &bars::BATCH_TOGETHER));
    part
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
