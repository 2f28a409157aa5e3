//! What was measured between pairs of regions: time there and back, bandwidth, and the price of bytes.
//!
//! A table fills what a world or a problem leaves open and never replaces what one says itself. It is no model: a pair that
//! was not measured stays unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use planning::placement::Problem;
use planning::placement::problem::{EgressRow, PairBandwidth};
use serde::Serialize;

use crate::csv::rows;
use crate::problem::SimulationError;
use crate::trace::read_text;

const COLUMNS: [&str; 5] = ["src", "dst", "rtt_min_ms", "throughput_gbps_premium", "egress_usd_gb"];
/// Least bandwidth: nothing moves without any.
const GBPS_MIN: f64 = 1e-6;
/// Largest figure: keeps times and sums far from overflow.
const FIGURE_MAX: f64 = 1e9;

/// What was measured from one region to another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pair {
    /// Milliseconds there and back, the least seen.
    pub rtt_ms: Option<f64>,
    /// Gigabits a second that one pair of machines gets.
    pub gbps: Option<f64>,
    /// Dollars for a gigabyte that leaves the first for the second, whatever the amount.
    pub egress_usd_per_gb: Option<f64>,
}

/// Pairs of regions by name, like `aws:us-east-1`.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pairs: BTreeMap<String, BTreeMap<String, Pair>>,
}

/// What a table gave to a world or a problem that left it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Filled {
    /// Pairs of regions whose time there and back is the table's.
    pub rtt_pairs: usize,
    /// From one region to another: prices of bytes that are the table's.
    pub egress_pairs: usize,
}

impl Network {
    /// Reads a CSV of `src,dst,rtt_min_ms,throughput_gbps_premium,egress_usd_gb`, one line a direction; an empty cell was not
    /// measured.
    ///
    /// # Errors
    /// When the file cannot be read, a line has another form, or a pair is there twice.
    pub fn read(path: &Path) -> Result<Self, SimulationError> {
        Self::parse(path, &read_text(path)?)
    }

    /// The same from the file's text; `path` is what errors name.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, SimulationError> {
        let mut network = Self::default();
        for row in rows(path, text, &COLUMNS)? {
            let row = row?;
            let (from, to) = (row.text(0)?, row.text(1)?);
            let bounded = |column: usize, least: f64| match row.number_if_any(column, least)? {
                Some(value) if value > FIGURE_MAX => {
                    Err(row.wrong(format_args!("{} is {value}, over {FIGURE_MAX}", COLUMNS[column])))
                }
                value => Ok(value),
            };
            let pair =
                Pair { rtt_ms: bounded(2, 0.0)?, gbps: bounded(3, GBPS_MIN)?, egress_usd_per_gb: bounded(4, 0.0)? };
            if network.pairs.entry(from.to_owned()).or_default().insert(to.to_owned(), pair).is_some() {
                return Err(row.wrong(format_args!("{from} to {to} is there twice")));
            }
        }
        if network.pairs.is_empty() { Err(SimulationError::malformed(path, "holds no pair")) } else { Ok(network) }
    }

    /// What was measured from one region to another; nothing of a region to itself.
    #[must_use]
    pub fn pair(&self, from: &str, to: &str) -> Pair {
        let known = self.pairs.get(from).and_then(|row| row.get(to)).filter(|_| from != to);
        known.copied().unwrap_or_default()
    }

    /// Milliseconds there and back between two regions, whichever way it was measured; the lesser of both, since each is the
    /// least of what was seen.
    #[must_use]
    pub fn rtt_ms(&self, one: &str, other: &str) -> Option<f64> {
        let ways = [self.pair(one, other).rtt_ms, self.pair(other, one).rtt_ms];
        ways.into_iter().flatten().reduce(f64::min)
    }

    /// Adds to a problem what was measured between its places, behind its own rows, of which the first that fits counts.
    pub fn extend(&self, problem: &mut Problem) {
        let offers = problem.offers.iter().map(planning::placement::Offer::place);
        let fixed = problem.tasks.iter().flat_map(|task| task.inputs.iter().chain(&task.outputs));
        let relays = problem.relays.iter().map(|relay| relay.place.clone());
        let places: BTreeSet<String> = offers.chain(fixed.map(|data| data.place.clone())).chain(relays).collect();
        for from in &places {
            for to in &places {
                let (pair, from, to) = (self.pair(from, to), from.clone(), to.clone());
                if let Some(gbps) = pair.gbps {
                    problem.bandwidth.pairs.push(PairBandwidth { from: from.clone(), to: to.clone(), gbps });
                }
                if let Some(usd_per_gb) = pair.egress_usd_per_gb {
                    problem.egress.push(EgressRow { from, to, usd_per_gb });
                }
            }
        }
    }
}
