//! Who serves whom: the product's own way of dividing flows, and four published or common ones.
//!
//! A policy is shown what was asked for in the step just past and what serves now; it answers with the share of each
//! region's next requests that goes to each region. Asked the same of the replicas that could be had, its answer is the
//! load that each region's autoscaler plans for: so a region that has none yet gets some.

use planning::balance::{Branch, Crowding, Spread};

/// What a division is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The requests of the next step, among what serves.
    Serve,
    /// The replicas that there should be.
    Plan,
}

/// What a policy sees at a step. Pairs are row by row, the region asked from first.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Requests a second that came from each region in the step just past.
    pub demand: &'a [f64],
    /// What is divided.
    pub purpose: Purpose,
    /// Replicas that serve in each region; of a plan, the most that could be had. None where it is known to be lost.
    pub replicas: &'a [u32],
    /// Seconds of work that wait there.
    pub backlog_seconds: &'a [f64],
    /// Seconds there and back between each pair.
    pub rtt_seconds: &'a [f64],
    /// Dollars of a request, the machine's time at its target and the bytes that leave, for each pair.
    pub usd: &'a [f64],
    /// Requests that one replica computes at once.
    pub slots: f64,
    /// Mean seconds of service.
    pub service_seconds: f64,
    /// Share of slots that is to be busy.
    pub busy_target: f64,
}

impl View<'_> {
    /// How many regions.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.replicas.len()
    }

    fn capacity(&self, region: usize) -> f64 {
        f64::from(self.replicas[region]) * self.slots / self.service_seconds
    }
}

/// Divides flows at every step.
pub trait FlowPolicy {
    /// Writes, row by row, which share of each region's requests goes where. A row may add up to nothing.
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]);
}

/// `planning::balance::spread`.
#[derive(Debug)]
pub struct Ours {
    seconds_per_dollar: f64,
    serve: Spread,
    plan: Spread,
}

/// Rounds of [`Spread`] at a step: flows are kept, so that little is left to do.
const ROUNDS: usize = 2;

impl Ours {
    /// Of so many regions, with λ in seconds for a dollar.
    #[must_use]
    pub fn new(regions: usize, seconds_per_dollar: f64) -> Self {
        let nothing = Spread::new(regions, regions);
        Self { seconds_per_dollar, serve: nothing.clone(), plan: nothing }
    }
}

impl FlowPolicy for Ours {
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]) {
        // Replicas that are to be had are not slower for being many: only the way, the price and the end of them count.
        let (spread, busy, crowding) = match view.purpose {
            Purpose::Serve => (&mut self.serve, 1.0, Crowding::default()),
            Purpose::Plan => (&mut self.plan, view.busy_target, Crowding { sharing: 0.0, ..Crowding::default() }),
        };
        let place = |at: usize| Branch {
            replicas: f64::from(view.replicas[at]) * busy,
            slots: view.slots,
            service_seconds: view.service_seconds,
            taken: 0.0,
            fixed_seconds: view.backlog_seconds[at],
        };
        let places: Vec<Branch> = (0..view.count()).map(place).collect();
        let pairs = view.rtt_seconds.iter().zip(view.usd);
        let fixed: Vec<f64> = pairs.map(|(rtt, usd)| self.seconds_per_dollar.mul_add(*usd, *rtt)).collect();
        spread.settle(view.demand, &places, &fixed, &crowding, ROUNDS);
        for (origin, row) in shares.chunks_mut(view.count()).enumerate() {
            row.copy_from_slice(spread.of(origin));
            normalise(row);
            if row.iter().all(|share| *share == 0.0) {
                // Nothing is free anywhere: those who come wait, everywhere alike.
                row.iter_mut().enumerate().for_each(|(at, share)| *share = view.capacity(at));
                normalise(row);
            }
        }
    }
}

/// Everybody to the nearest region that serves, however full it is.
#[derive(Debug)]
pub struct Nearest;

impl FlowPolicy for Nearest {
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]) {
        shares.fill(0.0);
        for origin in 0..view.count() {
            if let Some(nearest) = by_distance(view, origin).find(|at| view.replicas[*at] > 0) {
                shares[origin * view.count() + nearest] = 1.0;
            }
        }
    }
}

/// The nearest region until it is full, then the next: `WATERFALL_BY_REGION`, the default of Google Cloud's load balancer
/// (`ServiceLbPolicy` in the reference of the Network Services API). Full is 95 % of all slots here, and in a plan the
/// share that is to be busy.
#[derive(Debug)]
pub struct Waterfall;

/// Share of its slots at which a region passes requests on.
const FULL: f64 = 0.95;

impl FlowPolicy for Waterfall {
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]) {
        let count = view.count();
        shares.fill(0.0);
        let full = if view.purpose == Purpose::Plan { view.busy_target } else { FULL };
        let mut room: Vec<f64> = (0..count).map(|at| full * view.capacity(at)).collect();
        let orders: Vec<Vec<usize>> = (0..count).map(|origin| by_distance(view, origin).collect()).collect();
        let mut left = view.demand.to_vec();
        // Rank by rank, so that a region serves its own people before others'.
        for rank in 0..count {
            for (origin, order) in orders.iter().enumerate() {
                let at = order[rank];
                let flow = left[origin].min(room[at]);
                room[at] -= flow;
                left[origin] -= flow;
                shares[origin * count + at] += flow;
            }
        }
        for (origin, row) in shares.chunks_mut(count).enumerate() {
            if let Some(nearest) = orders[origin].iter().find(|at| view.replicas[**at] > 0) {
                row[*nearest] += left[origin];
            }
            normalise(row);
        }
    }
}

/// Everybody everywhere in proportion to what is free: `SPRAY_TO_WORLD` of the same load balancer.
#[derive(Debug)]
pub struct LeastLoaded;

impl FlowPolicy for LeastLoaded {
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]) {
        for row in shares.chunks_mut(view.count()) {
            for (at, share) in row.iter_mut().enumerate() {
                *share = view.capacity(at) / (1.0 + view.backlog_seconds[at]);
            }
            normalise(row);
        }
    }
}

/// Everybody to every region in turn, as one name with many addresses does it.
#[derive(Debug)]
pub struct RoundRobin;

impl FlowPolicy for RoundRobin {
    fn divide(&mut self, view: &View<'_>, shares: &mut [f64]) {
        for row in shares.chunks_mut(view.count()) {
            row.iter_mut().zip(view.replicas).for_each(|(share, count)| *share = f64::from(u8::from(*count > 0)));
            normalise(row);
        }
    }
}

fn normalise(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|share| *share /= sum);
    }
}

/// Regions, the nearest first.
fn by_distance(view: &View<'_>, origin: usize) -> impl Iterator<Item = usize> {
    let count = view.count();
    let row = &view.rtt_seconds[origin * count..(origin + 1) * count];
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| row[*a].total_cmp(&row[*b]).then((*b == origin).cmp(&(*a == origin))));
    order.into_iter()
}
