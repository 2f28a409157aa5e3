//! Reads spot traces: a folder of JSON files, one a zone, each the nodes obtainable (or still held) per tick.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::problem::SimulationError;

/// Largest trace file taken in, so that a wrong path cannot fill memory.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Says that a file is Unicode, and nothing of its content.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Zones aligned by tick.
#[derive(Debug, Clone, PartialEq)]
pub struct SpotTrace {
    /// Seconds from one tick to the next.
    pub tick_s: f64,
    /// One entry a zone, all of the same length.
    pub zones: Vec<ZoneTrace>,
}

/// One zone of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneTrace {
    /// The file's name without its ending.
    pub name: String,
    /// Nodes available at each tick.
    pub nodes: Vec<u32>,
}

impl SpotTrace {
    /// Ticks in every zone.
    #[must_use]
    pub fn ticks(&self) -> usize {
        self.zones.first().map_or(0, |zone| zone.nodes.len())
    }

    /// The same ticks with only the zones that `keep` names, in its order; an error names the first that is absent.
    pub fn only(&self, keep: &[String]) -> Result<Self, SimulationError> {
        let zones = keep.iter().map(|name| {
            let found = self.zones.iter().find(|zone| zone.name == *name).cloned();
            found.ok_or_else(|| {
                let known: Vec<&str> = self.zones.iter().map(|zone| zone.name.as_str()).collect();
                SimulationError::argument("zones", format!("{name:?} is not one of {}", known.join(", ")))
            })
        });
        Ok(Self { tick_s: self.tick_s, zones: zones.collect::<Result<_, _>>()? })
    }

    /// The trace with everything from `ticks` on cut off: what a policy could have seen by then.
    #[must_use]
    pub fn truncated(&self, ticks: usize) -> Self {
        let cut = |zone: &ZoneTrace| ZoneTrace {
            name: zone.name.clone(),
            nodes: zone.nodes.iter().take(ticks).copied().collect(),
        };
        Self { tick_s: self.tick_s, zones: self.zones.iter().map(cut).collect() }
    }
}

#[derive(Deserialize)]
struct FileForm {
    metadata: Metadata,
    data: Vec<f64>,
}

#[derive(Deserialize)]
struct Metadata {
    gap_seconds: f64,
}

/// Reads every `*.json` of `folder`, in order of name, truncated to the shortest.
pub fn read_spot_traces(folder: &Path) -> Result<SpotTrace, SimulationError> {
    let unreadable = |cause| SimulationError::Unreadable { path: folder.to_owned(), cause };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut zones = Vec::with_capacity(paths.len());
    let mut tick_s = None;
    for path in &paths {
        let (zone, zone_tick_s) = read_zone(path)?;
        if *tick_s.get_or_insert(zone_tick_s) != zone_tick_s {
            let cause = format!("gap_seconds is {zone_tick_s}, unlike the other files of the folder");
            return Err(SimulationError::malformed(path, cause));
        }
        zones.push(zone);
    }
    let shortest = zones.iter().map(|zone: &ZoneTrace| zone.nodes.len()).min();
    let (Some(tick_s), Some(shortest)) = (tick_s, shortest) else {
        return Err(SimulationError::malformed(folder, "holds no .json file"));
    };
    Ok(SpotTrace { tick_s, zones }.truncated(shortest))
}

fn read_zone(path: &Path) -> Result<(ZoneTrace, f64), SimulationError> {
    let text = read_text(path)?;
    let form: FileForm =
        serde_json::from_str(&text).map_err(|error| SimulationError::malformed(path, error.to_string()))?;
    let tick_s = form.metadata.gap_seconds;
    if !(tick_s.is_finite() && tick_s > 0.0) {
        return Err(SimulationError::malformed(path, format!("gap_seconds is {tick_s}, not a number above zero")));
    }
    if form.data.is_empty() {
        return Err(SimulationError::malformed(path, "data is empty"));
    }
    let count = |(tick, nodes): (usize, &f64)| {
        if *nodes >= 0.0 && *nodes <= f64::from(u32::MAX) && nodes.fract() == 0.0 {
            Ok(*nodes as u32)
        } else {
            Err(SimulationError::malformed(path, format!("data[{tick}] is {nodes}, not a count of nodes")))
        }
    };
    let nodes = form.data.iter().enumerate().map(count).collect::<Result<_, _>>()?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((ZoneTrace { name, nodes }, tick_s))
}

/// Reads a whole text file of bounded size, without the byte-order mark that some editors put first.
pub fn read_text(path: &Path) -> Result<String, SimulationError> {
    let unreadable = |cause| SimulationError::Unreadable { path: path.to_owned(), cause };
    let size_bytes = fs::metadata(path).map_err(unreadable)?.len();
    if size_bytes > MAX_FILE_BYTES {
        return Err(SimulationError::malformed(
            path,
            format!("{size_bytes} bytes, over the limit of {MAX_FILE_BYTES}"),
        ));
    }
    let mut text = fs::read_to_string(path).map_err(unreadable)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    Ok(text)
}
