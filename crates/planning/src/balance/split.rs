//! Divides a flow of requests among places so that one more request costs the same in each that takes any.
//!
//! The form that [`super::forecast`] takes for flows: `wait + sharing + network + λ·dollars`, where the wait is what a
//! replica's queue comes to on average. The cost of all requests together is convex in the flows, so equal marginal costs
//! where anything flows, and no lower ones elsewhere, are the optimum ("water-filling"; for several origins the system
//! optimum of J. G. Wardrop, "Some theoretical aspects of road traffic research", 1952). [`super::spread`] does it for
//! several origins. Which single request goes where is not decided here, nor how many replicas there are.

use super::forecast::ForecastWeights;

/// Share of a place's capacity that is handed out: at the whole of it a queue has no end.
pub const MOST_BUSY: f64 = 0.999;
/// Steps of a search for a root: halving alone gets to the last bit of a number of order one in so many.
const STEPS_MAX: usize = 100;
/// How close a root is taken to be found, as a share of what is searched for.
const CLOSE: f64 = 1e-10;

/// How requests get into each other's way; alike in all places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crowding {
    /// By how much of its service time a request on a full replica is slowed by the others, from 0 to 1.
    pub sharing: f64,
    /// Half the sum of the squared coefficients of variation of arrivals and of service: 1 for Poisson arrivals of
    /// exponential length, more when arrivals come in bursts.
    pub variability: f64,
}

impl Default for Crowding {
    fn default() -> Self {
        Self { sharing: ForecastWeights::default().sharing, variability: 1.0 }
    }
}

/// A place that can take part of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Branch {
    /// Replicas that serve there.
    pub replicas: f64,
    /// Requests that one of them computes at once.
    pub slots: f64,
    /// Mean seconds of service.
    pub service_seconds: f64,
    /// Requests a second that go there anyway.
    pub taken: f64,
    /// Seconds that a request takes whatever the flow: network, λ·dollars, what waits already.
    pub fixed_seconds: f64,
}

impl Branch {
    /// Requests a second that keep every slot busy.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        if self.service_seconds > 0.0 { (self.replicas * self.slots).max(0.0) / self.service_seconds } else { 0.0 }
    }

    /// What may be added to what it takes already.
    #[must_use]
    pub fn room(&self) -> f64 {
        (MOST_BUSY * self.capacity() - self.taken).max(0.0)
    }

    /// Seconds beyond the service itself that a request takes when `flow` is added to what goes there anyway.
    #[must_use]
    pub fn seconds(&self, flow: f64, crowding: &Crowding) -> f64 {
        let busy = ((flow + self.taken) / self.capacity()).clamp(0.0, MOST_BUSY);
        let queue = Queue::of(self, crowding);
        self.fixed_seconds + queue.sharing * busy + queue.unit * busy.powf(queue.beta) / (1.0 - busy)
    }

    /// What one more request costs all together: its own seconds, and what it adds to everybody else's.
    #[must_use]
    pub fn marginal_seconds(&self, flow: f64, crowding: &Crowding) -> f64 {
        let busy = ((flow + self.taken) / self.capacity()).clamp(0.0, MOST_BUSY);
        self.fixed_seconds + self.crowd(busy, crowding).0
    }

    fn crowd(&self, busy: f64, crowding: &Crowding) -> (f64, f64) {
        Queue::of(self, crowding).crowd(busy)
    }
}

/// The wait in a queue of several servers by H. Sakasegawa ("An approximation formula L_q ≅ α·ρ^β/(1−ρ)", 1977), for one
/// replica: `S·V/s · ρ^(√(2(s+1))−1) / (1−ρ)`. A region is many such queues, not one: a request that was given to a
/// replica waits there.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Queue {
    /// `S·V/s`.
    unit: f64,
    /// `√(2(s+1))−1`.
    beta: f64,
    /// Seconds by which a full replica slows a request.
    sharing: f64,
}

impl Queue {
    fn of(branch: &Branch, crowding: &Crowding) -> Self {
        let slots = branch.slots.max(1.0);
        Self {
            unit: crowding.variability * branch.service_seconds / slots,
            beta: (2.0 * (slots + 1.0)).sqrt() - 1.0,
            sharing: branch.service_seconds * crowding.sharing,
        }
    }

    /// `d(ρ·T)/dρ` at a busy share, without the fixed part, and its slope.
    fn crowd(&self, busy: f64) -> (f64, f64) {
        let Self { unit, beta, sharing } = *self;
        let idle = 1.0 - busy;
        let before = busy.powf(beta - 1.0);
        let (power, next) = (before * busy, before * busy * busy);
        let value = unit * ((beta + 1.0) * power / idle + next / (idle * idle));
        let rise = beta * (beta + 1.0) * before / idle
            + 2.0 * (beta + 1.0) * power / (idle * idle)
            + 2.0 * next / (idle * idle * idle);
        (2.0 * sharing * busy + value, 2.0 * sharing + unit * rise)
    }
}

/// A place as the search sees it: what never changes is reckoned once.
struct Open {
    queue: Queue,
    capacity: f64,
    room: f64,
    fixed_seconds: f64,
    /// Busy with what goes there anyway; what one more request costs then, and how fast that rises.
    taken: f64,
    least: f64,
    rise: f64,
    /// What one more costs when it is full.
    most: f64,
    /// Busy at the last level looked at: a near guess for the next.
    busy: Option<f64>,
}

impl Open {
    fn new(branch: &Branch, crowding: &Crowding) -> Self {
        let (queue, capacity) = (Queue::of(branch, crowding), branch.capacity());
        let taken = (branch.taken / capacity.max(f64::MIN_POSITIVE)).min(MOST_BUSY);
        let (least, rise) = queue.crowd(taken);
        Self {
            queue,
            capacity,
            room: branch.room(),
            fixed_seconds: branch.fixed_seconds,
            taken,
            least: branch.fixed_seconds + least,
            rise,
            most: branch.fixed_seconds + queue.crowd(MOST_BUSY).0,
            busy: None,
        }
    }

    /// The flow at which one more request costs `level`, and how fast it grows with the level.
    fn flow_at(&mut self, level: f64) -> (f64, f64) {
        if self.room <= 0.0 || level <= self.least {
            return (0.0, 0.0);
        }
        if level >= self.most {
            return (self.room, 0.0);
        }
        let wanted = level - self.fixed_seconds;
        let first = self.busy.unwrap_or_else(|| self.taken + (level - self.least) / self.rise);
        let mut rise = self.rise;
        let (_, busy) = rising_root((self.taken, MOST_BUSY), first, CLOSE * wanted, |busy| {
            let (value, slope) = self.queue.crowd(busy);
            rise = slope;
            (value - wanted, slope)
        });
        self.busy = Some(busy);
        let slope = self.capacity / rise.max(f64::MIN_POSITIVE);
        (((busy - self.taken) * self.capacity).clamp(0.0, self.room), slope)
    }
}

/// A divided flow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// Requests a second for each place.
    pub flows: Vec<f64>,
    /// What one more request would cost, in seconds; infinite when there is no room for it.
    pub marginal_seconds: f64,
    /// Requests a second for which there is no room anywhere.
    pub excess: f64,
}

/// Divides `demand` requests a second among `branches`. Exact up to rounding: every place that takes any has the same
/// marginal cost, but for those that are full.
#[must_use]
pub fn split(demand: f64, branches: &[Branch], crowding: &Crowding) -> Split {
    split_near(demand, branches, crowding, None)
}

/// The same, sought from a marginal cost that may be near, like that of a moment ago.
#[must_use]
pub fn split_near(demand: f64, branches: &[Branch], crowding: &Crowding, near: Option<f64>) -> Split {
    let mut open: Vec<Open> = branches.iter().map(|branch| Open::new(branch, crowding)).collect();
    let rooms: f64 = open.iter().map(|place| place.room).sum();
    if demand >= rooms {
        let flows = open.iter().map(|place| place.room).collect();
        return Split { flows, marginal_seconds: f64::INFINITY, excess: (demand - rooms).max(0.0) };
    }
    let free = || open.iter().filter(|place| place.room > 0.0);
    let lowest = free().map(|place| place.least).fold(f64::INFINITY, f64::min);
    let highest = free().map(|place| place.most).fold(lowest, f64::max);
    if demand <= 0.0 {
        return Split { flows: vec![0.0; branches.len()], marginal_seconds: lowest, excess: 0.0 };
    }
    let first = near.unwrap_or(2.0 * lowest.abs() + 1e-3);
    let (below, above) = rising_root((lowest, highest), first, CLOSE * demand, |level| {
        let both = open.iter_mut().map(|place| place.flow_at(level));
        both.fold((-demand, 0.0), |sum, (flow, slope)| (sum.0 + flow, sum.1 + slope))
    });
    let low: Vec<f64> = open.iter_mut().map(|place| place.flow_at(below).0).collect();
    let high: Vec<f64> =
        if above > below { open.iter_mut().map(|place| place.flow_at(above).0).collect() } else { low.clone() };
    let (least, most): (f64, f64) = (low.iter().sum(), high.iter().sum());
    // Where costs hardly rise with the flow, a hair of the level moves much of it: what is missing lies between the two.
    let share = if most > least { ((demand - least) / (most - least)).clamp(0.0, 1.0) } else { 1.0 };
    let flows = low.iter().zip(&high).map(|(low, high)| low + share * (high - low)).collect();
    Split { flows, marginal_seconds: above, excess: 0.0 }
}

/// The root of a rising function between two ends, by Newton's steps where they stay inside and halving where not
/// (Press et al., "Numerical Recipes", `rtsafe`); an interval around it when it is nowhere near enough to zero.
fn rising_root(ends: (f64, f64), first: f64, close: f64, mut of: impl FnMut(f64) -> (f64, f64)) -> (f64, f64) {
    let (mut low, mut high) = ends;
    let mut at = if first > low && first < high { first } else { f64::midpoint(low, high) };
    let mut width = high - low;
    for _ in 0..STEPS_MAX {
        let (value, slope) = of(at);
        if value.abs() <= close {
            return (at, at);
        }
        if value < 0.0 {
            low = at
        } else {
            high = at
        }
        let newton = at - value / slope;
        // A step that does not halve the one before is no better than halving.
        let good = newton > low && newton < high && (newton - at).abs() < 0.5 * width;
        let next = if good { newton } else { f64::midpoint(low, high) };
        width = (next - at).abs();
        if next <= low || next >= high {
            break;
        }
        at = next;
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(replicas: f64, fixed_seconds: f64, taken: f64) -> Branch {
        Branch { replicas, slots: 16.0, service_seconds: 2.0, taken, fixed_seconds }
    }

    fn cost(branches: &[Branch], flows: &[f64], crowding: &Crowding) -> f64 {
        // What is taken already is slowed too.
        let one = |(branch, flow): (&Branch, &f64)| {
            let crowd = branch.seconds(*flow, crowding) - branch.fixed_seconds;
            flow * branch.fixed_seconds + (flow + branch.taken) * crowd
        };
        branches.iter().zip(flows).map(one).sum()
    }

    #[test]
    fn equal_places_share_alike_and_a_far_one_waits_its_turn() {
        let branches = [place(10.0, 0.01, 0.0), place(10.0, 0.01, 0.0), place(10.0, 3.0, 0.0)];
        let little = split(60.0, &branches, &Crowding::default());
        assert!((little.flows[0] - 30.0).abs() < 1e-6 && (little.flows[1] - 30.0).abs() < 1e-6, "{little:?}");
        assert!(little.flows[2].abs() < 1e-9, "{little:?}");
        let much = split(155.0, &branches, &Crowding::default());
        assert!(much.flows[2] > 1.0 && much.excess == 0.0, "{much:?}");
    }

    #[test]
    fn what_finds_no_room_is_told() {
        let branches = [place(10.0, 0.0, 20.0), place(0.0, 0.0, 0.0)];
        let split = split(100.0, &branches, &Crowding::default());
        assert!((split.flows[0] - (MOST_BUSY * 80.0 - 20.0)).abs() < 1e-9);
        assert_eq!(split.flows[1], 0.0);
        assert!((split.excess + split.flows[0] - 100.0).abs() < 1e-9 && split.marginal_seconds.is_infinite());
    }

    proptest! {
        #[test]
        fn marginal_costs_are_equal_where_anything_flows_and_nothing_random_is_cheaper(
            kinds in proptest::collection::vec((0.0_f64..40.0, 0.0_f64..2.0, 0.0_f64..0.9), 1..8),
            asked in 0.01_f64..0.98, sharing in 0.0_f64..1.0, variability in 0.2_f64..4.0,
            other in proptest::collection::vec(0.0_f64..1.0, 8),
        ) {
            let branches: Vec<Branch> = kinds
                .iter()
                .map(|(replicas, fixed, taken)| place(*replicas, *fixed, taken * 8.0 * replicas))
                .collect();
            let crowding = Crowding { sharing, variability };
            let rooms: f64 = branches.iter().map(Branch::room).sum();
            let demand = asked * rooms;
            let found = split(demand, &branches, &crowding);
            prop_assert!((found.flows.iter().sum::<f64>() - demand).abs() <= 1e-6 * (1.0 + demand));
            for (branch, flow) in branches.iter().zip(&found.flows) {
                prop_assert!(*flow >= 0.0 && *flow <= branch.room() + 1e-9);
                let marginal = branch.marginal_seconds(*flow, &crowding);
                let near = 1e-5 * (1.0 + found.marginal_seconds);
                if *flow > 1e-6 && *flow < 0.999 * branch.room() {
                    prop_assert!((marginal - found.marginal_seconds).abs() < near, "{} {:?}", marginal, found);
                } else if *flow <= 1e-6 && branch.room() > 1e-3 {
                    prop_assert!(marginal > found.marginal_seconds - near, "{} {:?}", marginal, found);
                }
            }
            // Any other division of the same demand, by shares of the rooms that are mixed with an even one.
            let drawn: Vec<f64> = branches.iter().zip(&other).map(|(branch, share)| share * branch.room()).collect();
            let scale = demand / drawn.iter().sum::<f64>().max(1e-9);
            let capped: Vec<f64> = drawn.iter().zip(&branches).map(|(flow, b)| (flow * scale).min(b.room())).collect();
            let missing = (demand - capped.iter().sum::<f64>()) / (rooms - capped.iter().sum::<f64>()).max(1e-9);
            let random: Vec<f64> =
                capped.iter().zip(&branches).map(|(flow, b)| flow + missing * (b.room() - flow)).collect();
            let (ours, theirs) = (cost(&branches, &found.flows, &crowding), cost(&branches, &random, &crowding));
            prop_assert!(ours <= theirs + 1e-6 * (1.0 + theirs), "{} {}", ours, theirs);
        }

        #[test]
        fn more_demand_never_costs_less_and_the_marginal_cost_is_the_slope(
            replicas in 1.0_f64..50.0, low in 0.01_f64..0.9, slots in 1.0_f64..64.0,
        ) {
            let branch = Branch { replicas, slots, service_seconds: 2.0, taken: 0.0, fixed_seconds: 0.1 };
            let crowding = Crowding::default();
            let (flow, step) = (low * branch.capacity(), 1e-6 * branch.capacity());
            let total = |flow: f64| flow * branch.seconds(flow, &crowding);
            let slope = (total(flow + step) - total(flow - step)) / (2.0 * step);
            let marginal = branch.marginal_seconds(flow, &crowding);
            prop_assert!((slope - marginal).abs() < 1e-4 * (1.0 + marginal), "{} {}", slope, marginal);
            prop_assert!(branch.seconds(flow, &crowding) <= branch.seconds(flow + step, &crowding));
        }
    }
}
