//! What a gigabyte costs from one place to another, and how fast it gets there.

use std::collections::HashMap;

use domain::Money;

use super::error::PlacementError;
use super::problem::Problem;
use crate::egress::{Bytes, EgressError, Ledger, Place, Schedule, schedule};

/// Bits of a gigabyte of 2³⁰ bytes over bits of a gigabit of 10⁹, over the seconds of an hour.
const GB_HOURS_AT_ONE_GBPS: f64 = (1_u64 << 30) as f64 * 8.0 / 1e9 / 3_600.0;

/// One way of charging for bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    price: Price,
    pub(super) gbps: f64,
}

#[derive(Debug, Clone, Copy)]
enum Price {
    /// Dollars a gigabyte.
    Flat(f64),
    /// A price list on top of what left already.
    Tiers(Schedule, Bytes),
}

impl Rate {
    /// Nano-dollars of an amount.
    pub(super) fn egress(&self, gb: f64) -> i64 {
        match self.price {
            Price::Flat(usd_per_gb) => Money::from_dollars(usd_per_gb * gb).0,
            Price::Tiers(tiers, before) => tiers.price(before, Bytes::from_gb(gb).unwrap_or_default()).0,
        }
    }

    /// Hours that an amount takes.
    pub(super) fn hours(&self, gb: f64) -> f64 {
        gb * GB_HOURS_AT_ONE_GBPS / self.gbps
    }
}

fn ledger(problem: &Problem) -> Result<Ledger, PlacementError> {
    let mut ledger = Ledger::default();
    for (at, sent) in problem.month_to_date.iter().enumerate() {
        let unpriced =
            |cause: EgressError| PlacementError::Unpriced { from: sent.from.clone(), to: sent.to.clone(), cause };
        let wrong = PlacementError::Number {
            field: format!("month_to_date[{at}].gb"),
            value: sent.gb,
            wanted: "an amount of gigabytes",
        };
        let (from, to) = (sent.from.parse().map_err(unpriced)?, sent.to.parse().map_err(unpriced)?);
        ledger.record(&from, &to, Bytes::from_gb(sent.gb).ok_or(wrong)?).map_err(unpriced)?;
    }
    Ok(ledger)
}

/// What tells two rates apart: the price's form with its numbers, and the speed.
type RateKey = (usize, u64, u64, u64);

/// Rates as they are found, each kept once.
pub(super) struct Interned<'a> {
    problem: &'a Problem,
    egress: Rows<'a>,
    speeds: Rows<'a>,
    ledger: Ledger,
    pub(super) rates: Vec<Rate>,
    seen: HashMap<RateKey, usize>,
}

impl<'a> Interned<'a> {
    pub(super) fn new(problem: &'a Problem) -> Result<Self, PlacementError> {
        let egress = Rows::new(problem.egress.iter().map(|row| (row.from.as_str(), row.to.as_str())));
        let speeds = Rows::new(problem.bandwidth.pairs.iter().map(|pair| (pair.from.as_str(), pair.to.as_str())));
        Ok(Self { problem, egress, speeds, ledger: ledger(problem)?, rates: Vec::new(), seen: HashMap::new() })
    }

    /// The number of the rate from one place to another.
    pub(super) fn rate(
        &mut self,
        names: &[String],
        places: &[Result<Place, EgressError>],
        from: usize,
        to: usize,
    ) -> Result<usize, PlacementError> {
        let price = self.price(names, places, from, to)?;
        let gbps = self.gbps(&names[from], &names[to]);
        let key = match price {
            Price::Flat(usd_per_gb) => (usize::MAX, usd_per_gb.to_bits(), 0, gbps.to_bits()),
            // A schedule is its table and the price beyond it; the address of a constant table stands for the table.
            Price::Tiers(tiers, before) if tiers.tiers.is_empty() => (0, tiers.beyond as u64, before.0, gbps.to_bits()),
            Price::Tiers(tiers, before) => {
                (tiers.tiers.as_ptr() as usize, tiers.beyond as u64, before.0, gbps.to_bits())
            }
        };
        let rates = &mut self.rates;
        Ok(*self.seen.entry(key).or_insert_with(|| {
            rates.push(Rate { price, gbps });
            rates.len() - 1
        }))
    }

    fn price(
        &self,
        names: &[String],
        places: &[Result<Place, EgressError>],
        from: usize,
        to: usize,
    ) -> Result<Price, PlacementError> {
        if from == to {
            return Ok(Price::Flat(0.0));
        }
        if let Some(row) = self.egress.first(&names[from], &names[to]) {
            return Ok(Price::Flat(self.problem.egress[row].usd_per_gb));
        }
        // Nothing is sent from the internet by us: what comes in is free, as every cloud has it.
        if names[from] == "internet" {
            return Ok(Price::Flat(0.0));
        }
        let unpriced = |cause: &EgressError| PlacementError::Unpriced {
            from: names[from].clone(),
            to: names[to].clone(),
            cause: cause.clone(),
        };
        let (here, there) = (places[from].as_ref().map_err(unpriced)?, places[to].as_ref().map_err(unpriced)?);
        let tiers = schedule(here, there).map_err(|cause| unpriced(&cause))?;
        // Where one price holds for every amount, what left before changes nothing.
        let before = if tiers.tiers.is_empty() { Bytes(0) } else { self.ledger.month_to_date(here, there) };
        Ok(Price::Tiers(tiers, before))
    }

    fn gbps(&self, from: &str, to: &str) -> f64 {
        let speeds = &self.problem.bandwidth;
        self.speeds.first(from, to).map_or_else(
            || {
                if from == to {
                    speeds.same_region_gbps
                } else if cloud(from) == cloud(to) {
                    speeds.same_cloud_gbps
                } else {
                    speeds.between_clouds_gbps
                }
            },
            |row| speeds.pairs[row].gbps,
        )
    }
}

/// Numbers of rows with what they say of the destination, by what they say of the source: a table of all pairs of regions has
/// thousands, and is asked for each pair.
struct Rows<'a>(HashMap<&'a str, Vec<(usize, &'a str)>>);

impl<'a> Rows<'a> {
    fn new(ends: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut rows: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
        ends.enumerate().for_each(|(number, (from, to))| rows.entry(from).or_default().push((number, to)));
        Self(rows)
    }

    /// The first row that fits both places.
    fn first(&self, from: &str, to: &str) -> Option<usize> {
        let fitting = |pattern: &str| self.0.get(pattern)?.iter().find(|(_, end)| fits(end, to)).map(|(row, _)| *row);
        // As in [`fits`].
        ["*", from, cloud(from)].into_iter().filter_map(fitting).min()
    }
}

fn cloud(place: &str) -> &str {
    place.split_once(':').map_or(place, |(cloud, _)| cloud)
}

/// Whether a row's `*`, cloud or place is that of `place`.
fn fits(pattern: &str, place: &str) -> bool {
    pattern == "*" || pattern == place || pattern == cloud(place)
}
