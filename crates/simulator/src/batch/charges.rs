//! What a job is charged in a world: spot by zone and tick, and its data's moves between zones.

use std::path::PathBuf;

use clap::Args;
use planning::spot::BatchJob;

use crate::prices::{Date, PriceHistory};
use crate::problem::SimulationError;
use crate::trace::SpotTrace;

/// Dollars per gigabyte between regions of one cloud, the median of AWS pairs (Skyplane's price grid, 2022–23).
const BETWEEN_REGIONS_USD_GB: f64 = 0.02;

/// Prices that follow a history; without one, every zone has the same price for ever.
#[derive(Debug, Clone, Default, Args)]
pub struct PriceArgs {
    /// Spot prices by region and day, a CSV of date,machine_type,region,hour,hour_spot, in place of --price-ratio.
    #[arg(long, requires = "machine_type", requires = "from", conflicts_with = "price_ratio")]
    pub price_history: Option<PathBuf>,
    /// The machine type in the price history.
    #[arg(long, requires = "price_history")]
    pub machine_type: Option<String>,
    /// The day of the first tick in the price history, YYYY-MM-DD.
    #[arg(long, requires = "price_history")]
    pub from: Option<Date>,
}

/// Everything beside time that costs something. Prices are shares of on-demand, as one on-demand hour is the unit of cost.
#[derive(Debug, Clone)]
pub struct Charges {
    /// The region of each zone, by number.
    regions: Vec<usize>,
    /// Moving the data from one region to another, in hours of on-demand; the same for all pairs.
    move_hours: f64,
    /// Spot by zone and tick; empty where [`BatchJob::price_ratio`] holds everywhere.
    price_ratios: Vec<Vec<f64>>,
}

impl Charges {
    /// Moving the data between two regions costs `move_hours` hours of on-demand.
    #[must_use]
    pub fn moving(trace: &SpotTrace, move_hours: f64) -> Self {
        let names: Vec<&str> = trace.zones.iter().map(|zone| region_of(&zone.name)).collect();
        let number = |name: &&str| names.iter().position(|other| other == name).unwrap_or(0);
        Self { regions: names.iter().map(number).collect(), move_hours, price_ratios: Vec::new() }
    }

    /// The region of each zone, by number.
    #[must_use]
    pub fn regions(&self) -> &[usize] {
        &self.regions
    }

    /// The same with spot prices by zone and tick.
    #[must_use]
    pub fn with_prices(self, price_ratios: Vec<Vec<f64>>) -> Self {
        Self { price_ratios, ..self }
    }

    /// The same with the prices that a history names, if one is given.
    ///
    /// # Errors
    /// When the history cannot be read, or lacks a price of a zone's region at a tick.
    pub fn with_history(self, args: &PriceArgs, trace: &SpotTrace) -> Result<Self, SimulationError> {
        let (Some(path), Some(machine_type), Some(from)) = (&args.price_history, &args.machine_type, args.from) else {
            return Ok(self);
        };
        Ok(self.with_prices(price_ratios(&PriceHistory::read(path)?, machine_type, from, trace)?))
    }

    /// What moving to each zone costs from the region where the data is; nothing while it is nowhere.
    #[must_use]
    pub fn moves_from(&self, region: Option<usize>) -> Vec<f64> {
        let to = |other: &usize| if region.is_none_or(|region| region == *other) { 0.0 } else { self.move_hours };
        self.regions.iter().map(to).collect()
    }

    /// What spot costs in `zone` at `tick`.
    #[must_use]
    pub fn price_ratio(&self, zone: usize, tick: usize, job: &BatchJob) -> f64 {
        self.price_ratios.get(zone).and_then(|prices| prices.get(tick)).copied().unwrap_or(job.price_ratio)
    }

    /// The lowest spot price of any zone at any tick: no work can cost less.
    #[must_use]
    pub fn floor(&self, job: &BatchJob) -> f64 {
        self.price_ratios.iter().flatten().copied().reduce(f64::min).unwrap_or(job.price_ratio)
    }
}

/// What moving `gb` gigabytes between regions costs, in hours of on-demand at `usd_per_hour` dollars each.
#[must_use]
pub fn move_hours(gb: f64, usd_per_hour: f64) -> f64 {
    gb * BETWEEN_REGIONS_USD_GB / usd_per_hour
}

/// On-demand is taken where it is cheapest, so one of its hours there is the unit at each tick.
fn price_ratios(
    history: &PriceHistory,
    machine_type: &str,
    from: Date,
    trace: &SpotTrace,
) -> Result<Vec<Vec<f64>>, SimulationError> {
    let (ticks, tick_s) = (trace.ticks(), trace.tick_s);
    let regions: Vec<&str> = trace.zones.iter().map(|zone| region_of(&zone.name)).collect();
    let mut spot = Vec::new();
    let mut cheapest_usd = vec![f64::INFINITY; ticks];
    for region in &regions {
        let prices = history.series(machine_type, region, from, ticks, tick_s)?;
        for (cheapest, price) in cheapest_usd.iter_mut().zip(&prices) {
            *cheapest = cheapest.min(price.map_or(f64::INFINITY, |price| price.on_demand));
        }
        let known = prices.iter().map(|price| price.and_then(|price| price.spot)).collect::<Option<Vec<f64>>>();
        spot.push(known.ok_or_else(|| {
            let cause = format!("no spot price of {machine_type} in {region} at some tick from {from} on");
            SimulationError::argument("from", cause)
        })?);
    }
    Ok(spot
        .into_iter()
        .map(|prices| prices.iter().zip(&cheapest_usd).map(|(usd, unit)| usd / unit).collect())
        .collect())
}

/// The region of a zone named like `us-east-1f_v100_1` or `us-central1-a`: what stands before the zone's letter. Other
/// names are their own.
fn region_of(zone: &str) -> &str {
    let place = zone.split('_').next().unwrap_or(zone);
    place
        .strip_suffix(|last: char| last.is_ascii_lowercase())
        .map(|rest| rest.strip_suffix('-').unwrap_or(rest))
        .filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_lies_in_its_region() {
        for (zone, region) in [
            ("us-east-1f_v100_1", "us-east-1"),
            ("us-east-1a", "us-east-1"),
            ("us-central1-a", "us-central1"),
            ("zone-00", "zone-00"),
            ("lab", "lab"),
        ] {
            assert_eq!(region_of(zone), region);
        }
    }
}
