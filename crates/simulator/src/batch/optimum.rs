//! The bound: the cheapest way to finish in time with the whole trace known, by dynamic programming.
//!
//! State: tick × work left × what the job runs on × the region where its data is. Work is counted in small units; the
//! changeover and the work are rounded down to them, so that the result never lies above the true optimum.

use planning::spot::BatchJob;

use super::charges::Charges;
use super::world::deadline_ticks;
use crate::trace::{SpotTrace, ZoneTrace};

/// Most units a tick is cut into.
const MAX_UNITS_PER_TICK: usize = 20;

/// The least cost of a job that starts at tick `start`, in hours of on-demand.
#[must_use]
pub fn optimum_cost_hours(trace: &SpotTrace, job: &BatchJob, charges: &Charges, start: usize) -> f64 {
    let end = (start + deadline_ticks(job, trace.tick_s)).min(trace.ticks());
    let mut table = Table::new(trace, job, charges);
    for tick in (start..end).rev() {
        let price =
            |(zone, of): (usize, &ZoneTrace)| (of.nodes[tick] > 0).then(|| charges.price_ratio(zone, tick, job));
        let prices: Vec<Option<f64>> = trace.zones.iter().enumerate().map(price).collect();
        table.step_back(&prices);
    }
    // The last place is nowhere, where a job begins.
    table.places.last().map_or(f64::INFINITY, |nowhere| nowhere.idle[table.work_units])
}

/// Values at one tick by work left, in units; rolled backwards in time.
struct Table {
    unit_hours: f64,
    tick_units: usize,
    changeover_units: usize,
    work_units: usize,
    /// One for each region that data may be in, and one for nowhere.
    places: Vec<Place>,
    /// The place of each zone.
    place_of: Vec<usize>,
    spot: Vec<Vec<f64>>,
}

/// Values with the data in one place and no spot instance.
struct Place {
    idle: Vec<f64>,
    on_demand: Vec<f64>,
    /// What entering each zone from here costs.
    moves: Vec<f64>,
}

impl Table {
    fn new(trace: &SpotTrace, job: &BatchJob, charges: &Charges) -> Self {
        let tick_units = units_per_tick(trace.tick_s, job.changeover_hours * 3_600.0);
        let unit_hours = trace.tick_s / 3_600.0 / tick_units as f64;
        let changeover_units = (job.changeover_hours / unit_hours + 1e-6).floor() as usize;
        let work_units = (job.work_hours / unit_hours + 1e-6).floor() as usize;
        let mut unfinished = vec![f64::INFINITY; work_units + changeover_units + 1];
        unfinished[0] = 0.0;
        // Where moves are free, it makes no difference where data is.
        let matters = charges.moves_from(Some(0)).iter().any(|hours| *hours > 0.0);
        let regions = if matters { charges.regions().iter().max().map_or(0, |last| last + 1) } else { 0 };
        let place = |region: Option<usize>| Place {
            idle: unfinished.clone(),
            on_demand: unfinished.clone(),
            moves: charges.moves_from(region),
        };
        let places = (0..regions).map(Some).chain([None]).map(place).collect();
        let place_of = charges.regions().iter().map(|region| if matters { *region } else { 0 }).collect();
        let spot = vec![unfinished.clone(); trace.zones.len()];
        Self { unit_hours, tick_units, changeover_units, work_units, places, place_of, spot }
    }

    /// What a tick on an instance costs and where it leads, when `debt` units of changeover come first.
    fn running(&self, next: &[f64], left: usize, debt: usize, price: f64) -> f64 {
        let to_do = left + debt;
        let paid = to_do.min(self.tick_units) as f64 * self.unit_hours * price;
        if to_do <= self.tick_units {
            return paid;
        }
        next.get(to_do - self.tick_units).map_or(f64::INFINITY, |rest| paid + rest)
    }

    /// `prices` are those of the zones that are up.
    fn step_back(&mut self, prices: &[Option<f64>]) {
        let size = self.spot.first().map_or(0, Vec::len);
        let start = |zone: usize, left: usize| {
            let price = prices[zone]?;
            Some(self.running(&self.spot[zone], left, self.changeover_units, price))
        };
        let starts: Vec<Vec<Option<f64>>> =
            (0..prices.len()).map(|zone| (0..size).map(|left| start(zone, left)).collect()).collect();
        let mut next: Vec<Place> = Vec::with_capacity(self.places.len());
        for place in &self.places {
            let (mut idle, mut on_demand) = (vec![0.0; size], vec![0.0; size]);
            for left in 1..size {
                let start_on_demand = self.running(&place.on_demand, left, self.changeover_units, 1.0);
                let start_spot = starts
                    .iter()
                    .zip(&place.moves)
                    .filter_map(|(start, moving)| Some(start[left]? + moving))
                    .fold(f64::INFINITY, f64::min);
                idle[left] = place.idle[left].min(start_on_demand).min(start_spot);
                on_demand[left] = idle[left].min(self.running(&place.on_demand, left, 0, 1.0));
            }
            next.push(Place { idle, on_demand, moves: place.moves.clone() });
        }
        let stay = |zone: usize| -> Vec<f64> {
            let fresh = &next[self.place_of[zone]].idle;
            let stays = |left: usize| {
                prices[zone].map_or(f64::INFINITY, |price| self.running(&self.spot[zone], left, 0, price))
            };
            (0..size).map(|left| if left == 0 { 0.0 } else { fresh[left].min(stays(left)) }).collect()
        };
        let spot = (0..prices.len()).map(stay).collect();
        (self.places, self.spot) = (next, spot);
    }
}

/// Units so that tick and changeover are both whole numbers of them where that is possible.
fn units_per_tick(tick_s: f64, changeover_s: f64) -> usize {
    (1..=MAX_UNITS_PER_TICK)
        .find(|units| {
            let in_units = changeover_s / (tick_s / *units as f64);
            (in_units - in_units.round()).abs() < 1e-6
        })
        .unwrap_or(MAX_UNITS_PER_TICK)
}
