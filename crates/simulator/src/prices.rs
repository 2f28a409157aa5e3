//! Prices of machines over time, from a log of their changes.
//!
//! A price holds from the day of its row, midnight UTC, until the next row of the same machine type and region. The published
//! log of Google's prices has the dates of its publisher's commits, about weekly, not the days on which a price took effect.
//! Whether a machine could be had is another question, which spot traces answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use jiff::civil::Date;

use crate::csv::rows;
use crate::problem::SimulationError;
use crate::trace::read_text;

const COLUMNS: [&str; 5] = ["date", "machine_type", "region", "hour", "hour_spot"];
/// Least on-demand price: what is free has no share to speak of.
const PRICE_MIN_USD: f64 = 1e-9;
/// Most ticks of a series.
const TICKS_MAX: usize = 50_000_000;

/// What a machine cost on some day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// The day of the row that says so; it held from then on.
    pub since: Date,
    /// Dollars an hour on demand, above zero.
    pub on_demand: f64,
    /// Dollars an hour on spot, where a price is known.
    pub spot: Option<f64>,
}

/// Prices by machine type, region and day.
#[derive(Debug, Clone)]
pub struct PriceHistory {
    path: PathBuf,
    /// By machine type, then region: in order of days.
    changes: BTreeMap<String, BTreeMap<String, Vec<Price>>>,
    days: (Date, Date),
}

impl PriceHistory {
    /// Reads a CSV of `date,machine_type,region,hour,hour_spot`: dollars an hour, in any order of days; an empty `hour_spot`
    /// means that no spot price is known from that day on. Where a day has two lines for the same thing, which are two
    /// commits of that day, the one further down counts.
    ///
    /// # Errors
    /// When the file cannot be read, holds nothing, or a line has another form.
    pub fn read(path: &Path) -> Result<Self, SimulationError> {
        Self::parse(path, &read_text(path)?)
    }

    /// The same from the file's text; `path` is what errors name.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, SimulationError> {
        let mut changes: BTreeMap<String, BTreeMap<String, Vec<Price>>> = BTreeMap::new();
        let mut days: Option<(Date, Date)> = None;
        for row in rows(path, text, &COLUMNS)? {
            let row = row?;
            let since: Date =
                row.cell(0).parse().map_err(|_| row.wrong(format_args!("date {:?} is no date", row.cell(0))))?;
            let (machine_type, region) = (row.text(1)?, row.text(2)?);
            let price = Price { since, on_demand: row.number(3, PRICE_MIN_USD)?, spot: row.number_if_any(4, 0.0)? };
            let regions = changes.entry(machine_type.to_owned()).or_default();
            let log = regions.entry(region.to_owned()).or_default();
            let at = log.partition_point(|known| known.since < since);
            match log.get_mut(at) {
                Some(known) if known.since == since => *known = price,
                _ => log.insert(at, price),
            }
            let (first, last) = days.unwrap_or((since, since));
            days = Some((first.min(since), last.max(since)));
        }
        let days = days.ok_or_else(|| SimulationError::malformed(path, "holds no price"))?;
        Ok(Self { path: path.to_owned(), changes, days })
    }

    /// The first and the last day of the whole log. Later prices are carried on from its last rows.
    #[must_use]
    pub const fn days(&self) -> (Date, Date) {
        self.days
    }

    /// What a machine costs on a day: the latest row that is not after it. Nothing before the first row, or for what the
    /// log does not name.
    #[must_use]
    pub fn price(&self, machine_type: &str, region: &str, date: Date) -> Option<Price> {
        let log = self.changes.get(machine_type)?.get(region)?;
        let after = log.partition_point(|known| known.since <= date);
        after.checked_sub(1).and_then(|at| log.get(at)).copied()
    }

    /// What a machine costs at each tick of `tick_s` seconds from midnight of `from` on; nothing before the first row.
    ///
    /// # Errors
    /// When the log does not name the machine type in the region, saying which it does; or for ticks that make no sense.
    pub fn series(
        &self,
        machine_type: &str,
        region: &str,
        from: Date,
        ticks: usize,
        tick_s: f64,
    ) -> Result<Vec<Option<Price>>, SimulationError> {
        let log = self.log(machine_type, region)?;
        if ticks > TICKS_MAX || !(tick_s.is_finite() && tick_s > 0.0) {
            let cause = format!("{ticks} ticks of {tick_s} s are not up to {TICKS_MAX} of more than nothing");
            return Err(SimulationError::malformed(&self.path, cause));
        }
        let begins_s: Vec<f64> = log.iter().map(|known| known.since.duration_since(from).as_secs_f64()).collect();
        let mut after = 0;
        Ok((0..ticks)
            .map(|tick| {
                while begins_s.get(after).is_some_and(|begins_s| *begins_s <= tick as f64 * tick_s) {
                    after += 1;
                }
                after.checked_sub(1).and_then(|at| log.get(at)).copied()
            })
            .collect())
    }

    fn log(&self, machine_type: &str, region: &str) -> Result<&[Price], SimulationError> {
        let listed = |names: Vec<&str>| names.join(", ");
        let missing = |cause: String| SimulationError::malformed(&self.path, cause);
        let regions = self.changes.get(machine_type).ok_or_else(|| {
            let known = listed(self.changes.keys().map(String::as_str).collect());
            missing(format!("no price of the machine type {machine_type:?}; there are {known}"))
        })?;
        let log = regions.get(region).ok_or_else(|| {
            let known = listed(regions.keys().map(String::as_str).collect());
            missing(format!("no price of {machine_type} in {region:?}; there are {known}"))
        })?;
        Ok(log)
    }
}
