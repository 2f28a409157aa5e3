//! The best assignments so far, what they must keep, and what is looked at around each that is found.

use super::ascent::Moved;
use super::limits::Limits;
use super::network::{Domains, Label, Network, Work};
use super::search::BURST;
use super::{local, tree};

/// Most costs remembered of assignments that were made better; what is forgotten is only done again.
const MOST_IMPROVED: usize = 64;
/// Most steps in looking for the prices of what is scarce.
const PRICE_STEPS: usize = 80;
/// Steps without a better bound after which that ends.
const MOST_IDLE: usize = 12;

/// The best assignments so far.
pub(super) struct Pool<'a> {
    pub(super) best: Vec<(i64, Vec<Label>)>,
    size: usize,
    /// Costs of what [`local`] has had already.
    improved: Vec<i64>,
    /// The true costs; the search may see them with what is scarce at its price.
    network: &'a Network,
    pub(super) limits: Option<&'a mut Limits>,
    /// What to take off such a cost: an assignment that keeps the limits truly costs no less than the rest.
    pub(super) off: i64,
}

impl<'a> Pool<'a> {
    /// An empty one, for the best `plans` assignments.
    pub(super) fn new(network: &'a Network, limits: Option<&'a mut Limits>, plans: usize) -> Self {
        Self { best: Vec::new(), size: plans.max(1), improved: Vec::new(), network, limits, off: 0 }
    }

    /// What an assignment must cost less than to be wanted, as the search sees costs.
    pub(super) fn cutoff(&self) -> i64 {
        self.true_cutoff().saturating_add(self.off)
    }

    fn true_cutoff(&self) -> i64 {
        if self.best.len() < self.size { i64::MAX } else { self.best.last().map_or(i64::MAX, |(cost, _)| *cost) }
    }

    /// Notes an assignment that costs `cost` as the search sees it, if it is wanted and keeps the limits.
    pub(super) fn note(&mut self, cost: i64, places: &[Label]) {
        if cost >= self.cutoff() || self.best.iter().any(|(_, known)| known == places) {
            return;
        }
        let mut cost = cost;
        if let Some(limits) = &mut self.limits {
            cost = self.network.value(places);
            let is_wanted = self.best.len() < self.size || self.best.last().is_some_and(|(worst, _)| cost < *worst);
            if !is_wanted || !limits.allow(places) {
                return;
            }
        }
        let at = self.best.partition_point(|(other, _)| *other <= cost);
        self.best.insert(at, (cost, places.to_vec()));
        self.best.truncate(self.size);
    }

    /// Looks for the prices of what is scarce that give the highest bound, and notes what it finds on the way.
    pub(super) fn priced(&mut self, domains: &Domains, work: &mut Work) -> Option<Network> {
        let (network, mut best, mut idle) = (self.network, i64::MIN, 0);
        let (mut prices, mut length) = (self.limits.as_ref()?.prices(), 1.0);
        let mut moved = Moved::new(network);
        let mut before = network.clone();
        if let Some(places) = self.limits.as_mut()?.greedy(network, domains) {
            self.note_around(network, domains, &places);
        }
        for _ in 0..PRICE_STEPS {
            let (priced, off) = self.limits.as_ref()?.priced(network);
            self.off = off;
            moved.reprice(&before, &priced);
            let bound = if tree::is_forest(&priced, domains) {
                tree::solve(&priced, domains, work)
            } else {
                moved.ascend(&priced, domains, (i64::MAX, BURST, i64::MAX), work);
                moved.bound(&priced, domains, work)
            };
            self.note_around(&priced, domains, &bound.places);
            let limits = self.limits.as_mut()?;
            limits.allow(&bound.places);
            let lower = bound.lower - off;
            if lower > best {
                (best, idle, prices) = (lower, 0, limits.prices());
            } else {
                idle += 1;
                length *= if idle % 3 == 0 { 0.5 } else { 1.0 };
            }
            // Without a plan yet the optimum is taken to be a little above the bound.
            let above = self.best.first().map_or_else(|| best + best / 20 + 1_000_000, |(cost, _)| *cost);
            let gap = (above - lower).max(1) as f64;
            if idle == MOST_IDLE || !limits.step(&bound.places, length * gap) {
                break;
            }
            before = priced;
        }
        self.limits.as_mut()?.set_prices(prices);
        let (priced, off) = self.limits.as_ref()?.priced(network);
        self.off = off;
        Some(priced)
    }

    /// Notes an assignment and what is near it; a good one is first made better by [`local`].
    pub(super) fn note_found(&mut self, network: &Network, domains: &Domains, places: &[Label], work: &mut Work) {
        let cost = network.value(places);
        if cost >= self.cutoff() || self.improved.contains(&cost) {
            return self.note_around(network, domains, places);
        }
        if self.improved.len() < MOST_IMPROVED {
            self.improved.push(cost);
        }
        let better = local::improved(network, domains, places, &mut work.flow);
        self.note_around(network, domains, &better);
    }

    /// Notes an assignment, those that differ from it in one variable, and then those of the best of them, downhill.
    fn note_around(&mut self, network: &Network, domains: &Domains, places: &[Label]) {
        let mut places = places.to_vec();
        let mut cost = network.value(&places);
        self.note(cost, &places);
        // Each round is cheaper than the one before; the bound is on time only.
        for _ in 0..places.len() {
            let mut step: Option<(i64, usize, Label)> = None;
            for variable in 0..places.len() {
                for place in &domains[variable] {
                    let other = cost + change(network, &places, variable, *place);
                    if other < self.cutoff() && *place != places[variable] {
                        let before = std::mem::replace(&mut places[variable], *place);
                        self.note(other, &places);
                        places[variable] = before;
                    }
                    if other < step.map_or(cost, |(least, _, _)| least) {
                        step = Some((other, variable, *place));
                    }
                }
            }
            let Some((least, variable, place)) = step else { break };
            places[variable] = place;
            cost = least;
        }
    }
}

/// What moving one variable adds.
fn change(network: &Network, places: &[Label], variable: usize, place: Label) -> i64 {
    let row = &network.unary[variable];
    let mut sum = row[place as usize] - row[places[variable] as usize];
    for at in &network.touching[variable] {
        let edge = &network.edges[*at];
        sum += if edge.from == variable {
            network.pair(*at, place, places[edge.to]) - network.pair(*at, places[variable], places[edge.to])
        } else {
            network.pair(*at, places[edge.from], place) - network.pair(*at, places[edge.from], places[variable])
        };
    }
    sum
}
