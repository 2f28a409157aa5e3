//! The bound: the cheapest way to finish in time with the whole trace known, by dynamic programming.
//!
//! State: tick × work left × what the job runs on. Work is counted in small units; the changeover and the work are
//! rounded down to them, so that the result never lies above the true optimum.

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
    let mut table = Table::new(trace, job);
    // The zone left is not in the state; charging the cheapest way in keeps the result a bound.
    let entry: Vec<f32> = (0..trace.zones.len()).map(|zone| charges.cheapest_way_in(zone) as f32).collect();
    for tick in (start..end).rev() {
        let price =
            |(zone, of): (usize, &ZoneTrace)| (of.nodes[tick] > 0).then(|| charges.price_ratio(zone, tick, job) as f32);
        let prices: Vec<Option<f32>> = trace.zones.iter().enumerate().map(price).collect();
        table.step_back(&prices, &entry);
    }
    f64::from(table.idle[table.work_units])
}

/// Values at one tick by work left, in units; rolled backwards in time.
struct Table {
    unit_hours: f64,
    tick_units: usize,
    changeover_units: usize,
    work_units: usize,
    idle: Vec<f32>,
    on_demand: Vec<f32>,
    spot: Vec<Vec<f32>>,
}

impl Table {
    fn new(trace: &SpotTrace, job: &BatchJob) -> Self {
        let tick_units = units_per_tick(trace.tick_s, job.changeover_hours * 3_600.0);
        let unit_hours = trace.tick_s / 3_600.0 / tick_units as f64;
        let changeover_units = (job.changeover_hours / unit_hours + 1e-6).floor() as usize;
        let work_units = (job.work_hours / unit_hours + 1e-6).floor() as usize;
        let mut unfinished = vec![f32::INFINITY; work_units + changeover_units + 1];
        unfinished[0] = 0.0;
        let spot = vec![unfinished.clone(); trace.zones.len()];
        let (idle, on_demand) = (unfinished.clone(), unfinished);
        Self { unit_hours, tick_units, changeover_units, work_units, idle, on_demand, spot }
    }

    /// What a tick on an instance costs and where it leads, when `debt` units of changeover come first.
    fn running(&self, next: &[f32], left: usize, debt: usize, price: f32) -> f32 {
        let to_do = left + debt;
        let paid = to_do.min(self.tick_units) as f32 * self.unit_hours as f32 * price;
        if to_do <= self.tick_units {
            return paid;
        }
        next.get(to_do - self.tick_units).map_or(f32::INFINITY, |rest| paid + rest)
    }

    /// `prices` are those of the zones that are up.
    fn step_back(&mut self, prices: &[Option<f32>], entry: &[f32]) {
        let size = self.idle.len();
        let (mut idle, mut on_demand) = (vec![0.0; size], vec![0.0; size]);
        let mut spot: Vec<Vec<f32>> = vec![vec![0.0; size]; prices.len()];
        for left in 1..size {
            let start_on_demand = self.running(&self.on_demand, left, self.changeover_units, 1.0);
            let start_spot = (0..prices.len())
                .filter_map(|zone| Some((zone, prices[zone]?)))
                .map(|(zone, price)| entry[zone] + self.running(&self.spot[zone], left, self.changeover_units, price))
                .fold(f32::INFINITY, f32::min);
            let fresh = self.idle[left].min(start_on_demand).min(start_spot);
            idle[left] = fresh;
            on_demand[left] = fresh.min(self.running(&self.on_demand, left, 0, 1.0));
            for zone in 0..prices.len() {
                let stay = prices[zone].map_or(fresh, |price| self.running(&self.spot[zone], left, 0, price));
                spot[zone][left] = fresh.min(stay);
            }
        }
        (self.idle, self.on_demand, self.spot) = (idle, on_demand, spot);
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
