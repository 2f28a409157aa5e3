//! A lower bound on any graph, by moving costs between variables and edges so that their separate minima rise.
//!
//! Sequential reweighted message passing on pairs (Kolmogorov, "A new look at reweighted message passing", 2015), in whole
//! nano-dollars: every move takes from one term what it gives to another, so the sum of all terms' minima stays a proven
//! bound whatever is rounded. On loopy graphs it converges near the bound of the linear relaxation.

use super::network::{Domains, FORBIDDEN, Label, Network, Work};
use super::search::Bound;

/// Costs as they have been moved.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Labels of a row.
    width: usize,
    /// By variable and label.
    own: Vec<i64>,
    /// By edge, end (its source, then its destination) and label, on top of the edge's price.
    sides: Vec<i64>,
}

/// Variables one after the other, or backwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Rising,
    Falling,
}

impl Moved {
    /// Nothing moved.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let width = network.width();
        Self { width, own: network.unary.concat(), sides: vec![0; 2 * width * network.edges.len()] }
    }

    /// Moves costs for at most `most` rounds, or until the bound is `enough`, or a round closes less than a `patience`th of the
    /// gap to `enough`. Returns the bound, and whether it still rose well.
    pub(super) fn ascend(
        &mut self,
        network: &Network,
        domains: &Domains,
        (enough, most, patience): (i64, usize, i64),
        work: &mut Work,
    ) -> (i64, bool) {
        let mut lower = i64::MIN;
        for _ in 0..most {
            self.sweep(network, domains, Pass::Rising, work);
            let next = self.sweep(network, domains, Pass::Falling, work);
            let rise = next.saturating_sub(lower);
            lower = lower.max(next);
            if lower >= enough {
                return (lower, false);
            }
            if rise < (enough.saturating_sub(lower) / patience).max(lower / 1_000_000) {
                return (lower, false);
            }
        }
        (lower, true)
    }

    /// One pass over the variables: each takes what its edges from before hold and shares it out to those that come after.
    /// Afterwards no edge holds anything for the end that took last, so the bound is what the variables keep.
    fn sweep(&mut self, network: &Network, domains: &Domains, pass: Pass, work: &mut Work) -> i64 {
        let (count, width) = (domains.len(), self.width);
        let mut pulled = std::mem::take(&mut work.pulled);
        pulled.resize(width, 0);
        let mut kept = 0;
        for step in 0..count {
            let variable = if pass == Pass::Rising { step } else { count - 1 - step };
            let (before, after) = match pass {
                Pass::Rising => (&network.lower[variable], &network.higher[variable]),
                Pass::Falling => (&network.higher[variable], &network.lower[variable]),
            };
            for edge in before {
                self.pull(network, domains, *edge, variable, &mut pulled, work);
                let held = self.side(network, *edge, variable);
                domains[variable]
                    .iter()
                    .for_each(|label| self.sides[held + *label as usize] -= pulled[*label as usize]);
                let own = &mut self.own[variable * width..][..width];
                domains[variable].iter().for_each(|label| own[*label as usize] += pulled[*label as usize]);
            }
            let parts = before.len().max(after.len()).max(1) as i64;
            let own = &mut self.own[variable * width..][..width];
            for label in &domains[variable] {
                let whole = own[*label as usize];
                pulled[*label as usize] = whole.div_euclid(parts);
                own[*label as usize] = whole - pulled[*label as usize] * after.len() as i64;
            }
            kept += domains[variable].iter().map(|label| own[*label as usize]).min().unwrap_or(FORBIDDEN);
            for edge in after {
                let held = self.side(network, *edge, variable);
                domains[variable]
                    .iter()
                    .for_each(|label| self.sides[held + *label as usize] += pulled[*label as usize]);
            }
        }
        work.pulled = pulled;
        kept
    }

    /// What an edge holds for `variable`: at each label, its least over the other end.
    fn pull(
        &self,
        network: &Network,
        domains: &Domains,
        edge: usize,
        variable: usize,
        out: &mut [i64],
        work: &mut Work,
    ) {
        let ends = &network.edges[edge];
        let forward = ends.to == variable;
        let other = if forward { ends.from } else { ends.to };
        let far = &self.sides[self.side(network, edge, other)..][..self.width];
        network.min_plus((edge, forward), far, (&domains[other], &domains[variable]), out, work);
        let near = &self.sides[self.side(network, edge, variable)..][..self.width];
        domains[variable].iter().for_each(|label| out[*label as usize] += near[*label as usize]);
    }

    /// Where the row of an edge's end begins.
    fn side(&self, network: &Network, edge: usize, variable: usize) -> usize {
        (2 * edge + usize::from(network.edges[edge].to == variable)) * self.width
    }

    /// The sum of all minima, and the same with each label fixed.
    pub(super) fn bound(&self, network: &Network, domains: &Domains, work: &mut Work) -> Bound {
        let width = self.width;
        let least = |row: &[i64], variable: usize| {
            domains[variable].iter().map(|label| row[*label as usize]).min().unwrap_or(FORBIDDEN)
        };
        let mut with: Vec<Vec<i64>> = self.own.chunks_exact(width.max(1)).map(<[i64]>::to_vec).collect();
        let mut parts: Vec<i64> = with.iter().enumerate().map(|(variable, row)| least(row, variable)).collect();
        let mut lower: i64 = parts.iter().sum();
        let mut pulled = vec![0; width];
        for (at, edge) in network.edges.iter().enumerate() {
            for variable in [edge.from, edge.to] {
                self.pull(network, domains, at, variable, &mut pulled, work);
                let held = least(&pulled, variable);
                parts[variable] += held;
                lower += if variable == edge.from { held } else { 0 };
                domains[variable].iter().for_each(|label| with[variable][*label as usize] += pulled[*label as usize]);
            }
        }
        for (variable, row) in with.iter_mut().enumerate() {
            let rest = lower - parts[variable];
            domains[variable].iter().for_each(|label| row[*label as usize] += rest);
        }
        let places = self.round(network, domains, &with);
        Bound { lower, with, places }
    }

    /// An assignment: each variable in order takes its best label beside those before it.
    fn round(&self, network: &Network, domains: &Domains, with: &[Vec<i64>]) -> Vec<Label> {
        let mut chosen: Vec<Label> = vec![0; domains.len()];
        let mut costs = vec![0; self.width];
        for variable in 0..domains.len() {
            let domain = &domains[variable];
            domain.iter().for_each(|label| costs[*label as usize] = self.own[variable * self.width + *label as usize]);
            for edge in &network.lower[variable] {
                let forward = network.edges[*edge].to == variable;
                let other = if forward { network.edges[*edge].from } else { network.edges[*edge].to };
                let held = self.side(network, *edge, variable);
                for label in domain {
                    let (from, to) = if forward { (chosen[other], *label) } else { (*label, chosen[other]) };
                    costs[*label as usize] += network.pair(*edge, from, to) + self.sides[held + *label as usize];
                }
            }
            // Among equals the one with the better bound leads to better ones later.
            let key = |label: &&Label| (costs[**label as usize], with[variable][**label as usize]);
            chosen[variable] = domain.iter().min_by_key(key).copied().unwrap_or_default();
        }
        chosen
    }
}
