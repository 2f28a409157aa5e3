//! The bound: the cheapest way to finish in time with the whole trace known, by dynamic programming.
//!
//! State: tick × work left × what the job runs on. Work is counted in small units; the changeover and the work are
//! rounded down to them, so that the result never lies above the true optimum.

use planning::spot::BatchJob;

use super::world::deadline_ticks;
use crate::trace::SpotTrace;

/// Most units a tick is cut into.
const MAX_UNITS_PER_TICK: usize = 20;

/// The least cost of a job that starts at tick `start`, in hours of on-demand.
#[must_use]
pub fn optimum_cost_hours(trace: &SpotTrace, job: &BatchJob, move_cost_hours: &[Vec<f64>], start: usize) -> f64 {
    let end = (start + deadline_ticks(job, trace.tick_s)).min(trace.ticks());
    let mut table = Table::new(trace, job);
    let moves = move_cost_hours.iter().flatten().any(|cost| *cost > 0.0);
    let cheapest_move = |to: usize| -> f32 {
        // The zone left is not in the state; charging the cheapest way in keeps the result a bound.
        if !moves {
            return 0.0;
        }
        move_cost_hours.iter().map(|row| row[to]).fold(f64::INFINITY, f64::min) as f32
    };
    let entry: Vec<f32> = (0..trace.zones.len()).map(cheapest_move).collect();
    for tick in (start..end).rev() {
        let up: Vec<bool> = trace.zones.iter().map(|zone| zone.nodes[tick] > 0).collect();
        table.step_back(&up, &entry);
    }
    f64::from(table.idle[table.work_units])
}

/// Values at one tick by work left, in units; rolled backwards in time.
struct Table {
    unit_hours: f64,
    tick_units: usize,
    changeover_units: usize,
    work_units: usize,
    price_ratio: f32,
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
        let price_ratio = job.price_ratio as f32;
        Self { unit_hours, tick_units, changeover_units, work_units, price_ratio, idle, on_demand, spot }
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

    fn step_back(&mut self, up: &[bool], entry: &[f32]) {
        let size = self.idle.len();
        let (mut idle, mut on_demand) = (vec![0.0; size], vec![0.0; size]);
        let mut spot: Vec<Vec<f32>> = vec![vec![0.0; size]; up.len()];
        for left in 1..size {
            let start_on_demand = self.running(&self.on_demand, left, self.changeover_units, 1.0);
            let start_spot = (0..up.len())
                .filter(|zone| up[*zone])
                .map(|zone| entry[zone] + self.running(&self.spot[zone], left, self.changeover_units, self.price_ratio))
                .fold(f32::INFINITY, f32::min);
            let fresh = self.idle[left].min(start_on_demand).min(start_spot);
            idle[left] = fresh;
            on_demand[left] = fresh.min(self.running(&self.on_demand, left, 0, 1.0));
            for zone in 0..up.len() {
                let stay = if up[zone] { self.running(&self.spot[zone], left, 0, self.price_ratio) } else { fresh };
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
