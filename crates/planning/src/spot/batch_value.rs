//! The expected cost of finishing a job, by stochastic dynamic programming over an estimated spot market.
//!
//! State: work left × slack left × (market up or down, age class of that spell) × what the job runs on. Slack is the
//! time left less the work left, so running keeps it and waiting or changing over spends it. The value is what remains to
//! be paid, in hours of on-demand. This file decides nothing: [`super::batch`] compares the actions.

use super::hazard::{AgeClass, DAY_PARTS, HazardTable, day_part};

/// What the job runs on, as the table sees it: which zone makes no difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Idle = 0,
    /// On-demand.
    OnDemand = 1,
    /// Spot; only while the market is up.
    Spot = 2,
}

/// The market as a Markov chain over age classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Endings per hour of up-spells by time of day and age.
    pub up_end_per_hour: HazardTable,
    /// Endings per hour of down-spells by time of day and age.
    pub down_end_per_hour: HazardTable,
    /// How often per hour the job must change over to another zone while the market as a whole is up.
    pub moves_per_hour: f64,
    /// Spot price as a share of on-demand.
    pub price_ratio: f64,
    /// What each start on spot costs beside the changeover, in hours of on-demand.
    pub entry_hours: f64,
    /// Hours paid and lost at every start on an instance.
    pub changeover_hours: f64,
    /// The moment of the deadline, in seconds since any midnight.
    pub deadline_at_s: f64,
}

/// The market's state: up or down, and for how long by class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// Whether spot can be had.
    pub is_up: bool,
    /// The age of that spell.
    pub age: AgeClass,
}

const CLASSES: usize = AgeClass::COUNT;
/// Up: three modes a class; down: two.
const STATES: usize = CLASSES * 5;
/// Most grid points on each axis; bounds the work of building a table.
const MAX_POINTS: usize = 200;

/// No grid is finer, in hours: four seconds.
const FINEST_HOURS: f64 = 1e-3;

/// The table of values.
#[derive(Debug, Clone)]
pub struct ValueTable {
    market: Market,
    /// By part of the day.
    chain: [Chain; DAY_PARTS],
    step_hours: f64,
    slack_step_hours: f64,
    slack_points: usize,
    /// `[work][slack][state]`, in hours of on-demand.
    values: Vec<[f32; STATES]>,
}

impl ValueTable {
    /// Solves the market for a job that has `work_hours` to do and `slack_hours` to spare; no step is shorter than
    /// `tick_hours`, since nothing is decided in between.
    #[must_use]
    pub fn solve(market: Market, work_hours: f64, slack_hours: f64, tick_hours: f64) -> Self {
        let step_hours = (work_hours.max(slack_hours) / (MAX_POINTS - 4) as f64).max(tick_hours).max(FINEST_HOURS);
        let finest = (market.changeover_hours / 2.0).max(slack_hours / 100.0).max(FINEST_HOURS);
        let slack_step_hours = finest.min(step_hours);
        let work_points = points(work_hours / step_hours);
        let slack_points = points(slack_hours / slack_step_hours);
        let values = vec![[0.0; STATES]; work_points * slack_points];
        let chain = std::array::from_fn(|part| Chain::of(&market, part, step_hours));
        let mut table = Self { market, chain, step_hours, slack_step_hours, slack_points, values };
        for work in 1..work_points {
            for slack in 0..slack_points {
                table.values[work * slack_points + slack] = table.cell(work, slack);
            }
        }
        table
    }

    /// Cost still to be paid, in hours of on-demand, when the job does `action` for one step and the best thing after.
    /// Infinite when the action could miss the deadline, or needs spot that is not there.
    #[must_use]
    pub fn cost_of(&self, action: Mode, from: Mode, work_hours: f64, slack_hours: f64, weather: Weather) -> f64 {
        let outlook = self.outlook(action, action == from, work_hours, slack_hours);
        let chain = self.chain_at(work_hours, slack_hours);
        outlook.map_or(f64::INFINITY, |outlook| f64::from(outlook.cost(chain, weather.is_up, weather.age.index())))
    }

    /// How the market moves with so much work and slack left, which says what time of day it is.
    fn chain_at(&self, work_hours: f64, slack_hours: f64) -> &Chain {
        &self.chain[day_part(self.market.deadline_at_s - (work_hours + slack_hours) * 3_600.0)]
    }

    /// The best value of every state at one grid point.
    fn cell(&self, work: usize, slack: usize) -> [f32; STATES] {
        let (work_hours, slack_hours) = (work as f64 * self.step_hours, slack as f64 * self.slack_step_hours);
        let chain = self.chain_at(work_hours, slack_hours);
        let outlook = |action, same| self.outlook(action, same, work_hours, slack_hours);
        let (wait, start_on_demand, stay_on_demand) =
            (outlook(Mode::Idle, true), outlook(Mode::OnDemand, false), outlook(Mode::OnDemand, true));
        let (start_spot, stay_spot) = (outlook(Mode::Spot, false), outlook(Mode::Spot, true));
        let mut best = [f32::INFINITY; STATES];
        for (is_up, class) in [true, false].into_iter().flat_map(|up| (0..CLASSES).map(move |class| (up, class))) {
            let cost =
                |outlook: &Option<Outlook>| outlook.as_ref().map_or(f32::INFINITY, |o| o.cost(chain, is_up, class));
            let (waiting, on_demand, spot) = (cost(&wait), cost(&start_on_demand), cost(&start_spot));
            best[state_index(is_up, class, Mode::Idle)] = waiting.min(on_demand).min(spot);
            best[state_index(is_up, class, Mode::OnDemand)] = waiting.min(cost(&stay_on_demand)).min(spot);
            if is_up {
                best[state_index(is_up, class, Mode::Spot)] = waiting.min(on_demand).min(cost(&stay_spot));
            }
        }
        best
    }

    /// What one step of `action` costs and where it leads; nothing when it could miss the deadline.
    fn outlook(&self, action: Mode, already: bool, work_hours: f64, slack_hours: f64) -> Option<Outlook> {
        let market = &self.market;
        let changeover = if action == Mode::Idle || already { 0.0 } else { market.changeover_hours };
        let run = self.step_hours.min(work_hours);
        let (paid, work_after, slack_after) = match action {
            Mode::Idle => (0.0, work_hours, slack_hours - self.step_hours),
            Mode::OnDemand => (changeover + run, work_hours - run, slack_hours - changeover),
            Mode::Spot => {
                let moves = market.moves_per_hour * run;
                let moving = moves * market.changeover_hours;
                let entries = moves + if already { 0.0 } else { 1.0 };
                let paid = (changeover + run + moving) * market.price_ratio + entries * market.entry_hours;
                (paid, work_hours - run, slack_hours - changeover - moving)
            }
        };
        if action != Mode::OnDemand && slack_after + 1e-9 < market.changeover_hours {
            return None;
        }
        Some(Outlook { action, paid: paid as f32, next: self.interpolate(work_after, slack_after) })
    }

    /// The values of every state between the grid points.
    fn interpolate(&self, work_hours: f64, slack_hours: f64) -> [f32; STATES] {
        if work_hours <= 1e-9 {
            return [0.0; STATES];
        }
        let work_points = self.values.len() / self.slack_points;
        let (work, work_share) = split(work_hours / self.step_hours, work_points);
        let (slack, slack_share) = split(slack_hours / self.slack_step_hours, self.slack_points);
        let at = work * self.slack_points + slack;
        // A share of zero is not read: that neighbour may not have been filled yet, or not exist.
        let mut row = mix(&self.values, at, 1, slack_share);
        if work_share > 0.0 {
            let further = mix(&self.values, at + self.slack_points, 1, slack_share);
            for (near, far) in row.iter_mut().zip(further) {
                *near += work_share * (far - *near);
            }
        }
        row
    }
}

fn mix(values: &[[f32; STATES]], at: usize, offset: usize, share: f32) -> [f32; STATES] {
    let mut near = values[at];
    if share > 0.0 {
        for (near, far) in near.iter_mut().zip(&values[at + offset]) {
            *near += share * (far - *near);
        }
    }
    near
}

/// One action at one grid point.
struct Outlook {
    action: Mode,
    paid: f32,
    next: [f32; STATES],
}

impl Outlook {
    /// Expected over what the market may do in the step.
    fn cost(&self, chain: &Chain, is_up: bool, class: usize) -> f32 {
        if self.action == Mode::Spot && !is_up {
            return f32::INFINITY;
        }
        let [ends, ages] = chain.at(is_up, class);
        let flipped_mode = if self.action == Mode::Spot { Mode::Idle } else { self.action };
        let older = (class + 1).min(CLASSES - 1);
        let flipped = self.next[state_index(!is_up, 0, flipped_mode)];
        let same = self.next[state_index(is_up, class, self.action)];
        let aged = self.next[state_index(is_up, older, self.action)];
        self.paid + ends * flipped + (1.0 - ends) * (same + ages * (aged - same))
    }
}

/// Chances per step that a spell ends, and that it moves to the next age class.
#[derive(Debug, Clone)]
struct Chain {
    up: [[f32; 2]; CLASSES],
    down: [[f32; 2]; CLASSES],
}

impl Chain {
    fn of(market: &Market, part: usize, step_hours: f64) -> Self {
        let row = |hazards: &[f64; CLASSES]| {
            std::array::from_fn(|class| {
                let ends = 1.0 - (-hazards[class] * step_hours).exp();
                let ages = (step_hours / AgeClass::width_hours(class)).min(1.0);
                [ends as f32, ages as f32]
            })
        };
        Self { up: row(&market.up_end_per_hour[part]), down: row(&market.down_end_per_hour[part]) }
    }

    const fn at(&self, is_up: bool, class: usize) -> [f32; 2] {
        if is_up { self.up[class] } else { self.down[class] }
    }
}

fn points(steps: f64) -> usize {
    // One point for zero and one beyond, so that every state asked for lies inside.
    (steps.ceil().max(0.0) as usize).min(4 * MAX_POINTS) + 2
}

/// The grid cell of a coordinate and how far into it, held at the ends of the grid.
fn split(coordinate: f64, points: usize) -> (usize, f32) {
    let held = coordinate.clamp(0.0, (points - 1) as f64);
    let cell = ((held + 1e-9).floor() as usize).min(points - 1);
    let share = held - cell as f64;
    if cell + 1 >= points || share < 1e-6 { (cell, 0.0) } else { (cell, share as f32) }
}

const fn state_index(is_up: bool, class: usize, mode: Mode) -> usize {
    if is_up { class * 3 + mode as usize } else { CLASSES * 3 + class * 2 + mode as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(up_end: f64, down_end: f64) -> Market {
        Market {
            up_end_per_hour: [[up_end; CLASSES]; DAY_PARTS],
            down_end_per_hour: [[down_end; CLASSES]; DAY_PARTS],
            moves_per_hour: 0.0,
            price_ratio: 0.3,
            entry_hours: 0.0,
            changeover_hours: 0.1,
            deadline_at_s: 0.0,
        }
    }

    fn best(table: &ValueTable, work: f64, slack: f64, is_up: bool) -> f64 {
        let weather = Weather { is_up, age: AgeClass::at(0) };
        [Mode::Idle, Mode::OnDemand, Mode::Spot]
            .into_iter()
            .map(|action| table.cost_of(action, Mode::Idle, work, slack, weather))
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn spot_that_never_ends_costs_the_spot_price() {
        let table = ValueTable::solve(market(1e-9, 1e-9), 10.0, 5.0, 0.02);
        assert!((best(&table, 10.0, 5.0, true) - 10.1 * 0.3).abs() < 0.05);
    }

    #[test]
    fn spot_that_never_comes_costs_on_demand() {
        let table = ValueTable::solve(market(1e-9, 1e-9), 10.0, 5.0, 0.02);
        assert!((best(&table, 10.0, 5.0, false) - 10.1).abs() < 0.15);
    }

    #[test]
    fn more_slack_never_costs_more() {
        let table = ValueTable::solve(market(0.5, 0.5), 20.0, 10.0, 0.02);
        let costs: Vec<f64> = (1..20).map(|half| best(&table, 20.0, f64::from(half) * 0.5, true)).collect();
        assert!(costs.windows(2).all(|pair| pair[1] <= pair[0] + 0.05), "{costs:?}");
        assert!(costs[18] < 0.8 * costs[0]);
    }
}
