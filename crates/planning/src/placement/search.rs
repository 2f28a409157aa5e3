//! The best few assignments, exactly: branch and bound over what the bounds leave open.

use super::ascent::Moved;
use super::network::{Domains, Label, Network, Work};
use super::{local, tree};

/// What is known about every assignment within some domains.
#[derive(Debug, Clone)]
pub struct Bound {
    /// None costs less.
    pub lower: i64,
    /// By variable and place: none that has it there costs less.
    pub with: Vec<Vec<i64>>,
    /// One of them, a good one.
    pub places: Vec<Label>,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The best assignments with their cost, best first.
    pub best: Vec<(i64, Vec<Label>)>,
    /// None costs less than this; equal to the best's cost when that is proven.
    pub lower: i64,
    /// Subproblems looked at.
    pub nodes: usize,
}

/// Limits on a search.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How many of the best assignments to find.
    pub plans: usize,
    /// Most subproblems to look at.
    pub nodes: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { plans: 3, nodes: 20_000 }
    }
}

/// Rounds of moving costs before assignments are looked for and labels dropped.
const BURST: usize = 4;
/// Most costs remembered of assignments that were made better; what is forgotten is only done again.
const MOST_IMPROVED: usize = 64;
/// A round is worth another one when it closes this part of the gap.
const PATIENCE: i64 = 50;

/// Finds the best assignments within `domains`, none of which may be empty.
#[must_use]
pub fn search(network: &Network, domains: Domains, effort: Effort) -> Found {
    let mut work = Work::default();
    let mut pool = Pool { best: Vec::new(), size: effort.plans.max(1), improved: Vec::new() };
    pool.note_found(network, &domains, &local::together(network, &domains), &mut work);
    // Forests never need the moved costs.
    let moved = (!tree::is_forest(network, &domains)).then(|| Moved::new(network));
    let mut open = vec![Node { domains, moved, lower: i64::MIN }];
    let mut nodes = 0;
    while let Some(mut node) = open.pop() {
        if node.lower >= pool.cutoff() {
            continue;
        }
        if nodes == effort.nodes {
            open.push(node);
            break;
        }
        nodes += 1;
        if let Some(bound) = node.tighten(network, &mut pool, &mut work) {
            open.extend(node.branch(&bound));
        }
    }
    let best = pool.best.first().map_or(i64::MAX, |(cost, _)| *cost);
    let lower = open.iter().map(|node| node.lower).min().unwrap_or(best).min(best);
    Found { best: pool.best, lower, nodes }
}

/// The best assignments so far.
struct Pool {
    best: Vec<(i64, Vec<Label>)>,
    size: usize,
    /// Costs of what [`local`] has had already.
    improved: Vec<i64>,
}

impl Pool {
    /// What an assignment must cost less than to be wanted.
    fn cutoff(&self) -> i64 {
        if self.best.len() < self.size { i64::MAX } else { self.best.last().map_or(i64::MAX, |(cost, _)| *cost) }
    }

    fn note(&mut self, cost: i64, places: &[Label]) {
        if cost >= self.cutoff() || self.best.iter().any(|(_, known)| known == places) {
            return;
        }
        let at = self.best.partition_point(|(other, _)| *other <= cost);
        self.best.insert(at, (cost, places.to_vec()));
        self.best.truncate(self.size);
    }

    /// Notes an assignment and what is near it; a good one is first made better by [`local`].
    fn note_found(&mut self, network: &Network, domains: &Domains, places: &[Label], work: &mut Work) {
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

/// A subproblem.
struct Node {
    domains: Domains,
    moved: Option<Moved>,
    lower: i64,
}

impl Node {
    /// Bounds the node, notes what it finds and drops labels that cannot be in a wanted assignment, until that stops helping.
    /// Returns the bound if something is left to decide.
    fn tighten(&mut self, network: &Network, pool: &mut Pool, work: &mut Work) -> Option<Bound> {
        loop {
            let (bound, rises) = match &mut self.moved {
                Some(moved) if !tree::is_forest(network, &self.domains) => {
                    let (lower, rises) = moved.ascend(network, &self.domains, (pool.cutoff(), BURST, PATIENCE), work);
                    if lower >= pool.cutoff() {
                        return None;
                    }
                    (moved.bound(network, &self.domains, work), rises)
                }
                _ => (tree::solve(network, &self.domains, work), false),
            };
            self.lower = self.lower.max(bound.lower);
            if self.lower >= pool.cutoff() {
                return None;
            }
            pool.note_found(network, &self.domains, &bound.places, work);
            let cutoff = pool.cutoff();
            let before: usize = self.domains.iter().map(Vec::len).sum();
            for (domain, with) in self.domains.iter_mut().zip(&bound.with) {
                domain.retain(|place| with[*place as usize] < cutoff);
            }
            if self.lower >= cutoff || self.domains.iter().any(Vec::is_empty) {
                return None;
            }
            let after: usize = self.domains.iter().map(Vec::len).sum();
            if after == self.domains.len() {
                let only: Vec<Label> = self.domains.iter().map(|domain| domain[0]).collect();
                pool.note(network.value(&only), &only);
                return None;
            }
            // Another round pays when the bound still rises or a tenth of what was open is gone.
            if !rises && (before - after) * 10 < before - self.domains.len() {
                return Some(bound);
            }
        }
    }

    /// Two parts: one variable at its best place, and everywhere else. The one whose second best is furthest off comes first,
    /// since the other part is then soon refused.
    fn branch(self, bound: &Bound) -> [Self; 2] {
        let two_least = |variable: usize| {
            let mut costs: Vec<(i64, Label)> =
                self.domains[variable].iter().map(|place| (bound.with[variable][*place as usize], *place)).collect();
            costs.sort_unstable();
            (costs[1].0 - costs[0].0, costs[0].1)
        };
        let open = (0..self.domains.len()).filter(|variable| self.domains[*variable].len() > 1);
        let chosen = open.map(|variable| (two_least(variable), variable)).max_by_key(|((gap, _), _)| *gap);
        let ((_, place), variable) = chosen.unwrap_or_default();
        let mut rest = Self { domains: self.domains.clone(), moved: self.moved.clone(), lower: self.lower };
        rest.domains[variable].retain(|other| *other != place);
        let mut here = self;
        here.domains[variable] = vec![place];
        // The last is looked at first.
        [rest, here]
    }
}
