//! The best few assignments, exactly: branch and bound over what the bounds leave open.

use super::ascent::Moved;
use super::limits::Limits;
use super::network::{Domains, Label, Network, Work};
use super::pool::Pool;
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
    /// Whether nothing was left to look at.
    pub is_complete: bool,
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
pub(super) const BURST: usize = 4;
/// A round is worth another one when it closes this part of the gap.
const PATIENCE: i64 = 50;
/// Most subproblems times labels with quotas or a budget, which are proven much more slowly than they are kept.
const LIMITED_STEPS: usize = 2_000_000;

/// Finds the best assignments within `domains`, none of which may be empty, that keep `limits`.
#[must_use]
pub(super) fn search(network: &Network, domains: Domains, limits: Option<&mut Limits>, effort: Effort) -> Found {
    let mut work = Work::default();
    let mut pool = Pool::new(network, limits, effort.plans);
    let priced = pool.priced(&domains, &mut work);
    let network = priced.as_ref().unwrap_or(network);
    pool.note_found(network, &domains, &local::together(network, &domains), &mut work);
    // Forests never need the moved costs.
    let moved = (!tree::is_forest(network, &domains)).then(|| Moved::new(network));
    let mut open = vec![Node { domains, moved, lower: i64::MIN }];
    let mut nodes = 0;
    let labels: usize = open.iter().flat_map(|node| &node.domains).map(Vec::len).sum();
    let most =
        if pool.limits.is_some() { (LIMITED_STEPS / labels.max(1)).clamp(200, effort.nodes) } else { effort.nodes };
    while let Some(mut node) = open.pop() {
        if node.lower >= pool.cutoff() {
            continue;
        }
        if nodes == most {
            open.push(node);
            break;
        }
        nodes += 1;
        if let Some(bound) = node.tighten(network, &mut pool, &mut work) {
            open.extend(node.branch(&bound));
        }
    }
    let best = pool.best.first().map_or(i64::MAX, |(cost, _)| *cost);
    let lower = open.iter().map(|node| node.lower.saturating_sub(pool.off)).min().unwrap_or(best).min(best);
    Found { best: pool.best, lower, nodes, is_complete: open.is_empty() }
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
    fn tighten(&mut self, network: &Network, pool: &mut Pool<'_>, work: &mut Work) -> Option<Bound> {
        loop {
            let mut can_keep =
                |limits: &mut &mut Limits| limits.propagate(&mut self.domains) && limits.may_allow(&self.domains);
            if !pool.limits.as_mut().is_none_or(&mut can_keep) {
                return None;
            }
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
