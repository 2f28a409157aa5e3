//! A lower bound on any graph, by moving costs between variables and edges so that their separate minima rise.
//!
//! Sequential reweighted message passing on pairs (Kolmogorov, "A new look at reweighted message passing", 2015), in whole
//! nano-dollars: every move takes from one term what it gives to another, so the sum of all terms' minima stays a proven
//! bound whatever is rounded. On loopy graphs it converges near the bound of the linear relaxation.

use super::network::{Domains, FORBIDDEN, Label, Network};
use super::search::Bound;

/// Costs as they have been moved.
#[derive(Debug, Clone)]
pub struct Moved {
    /// By variable and place.
    own: Vec<Vec<i64>>,
    /// By edge and place, on top of the edge's price: at its source, and at its destination.
    at_source: Vec<Vec<i64>>,
    at_destination: Vec<Vec<i64>>,
}

impl Moved {
    /// Nothing moved.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let none = || network.edges.iter().map(|_| vec![0; network.unary[0].len()]).collect();
        Self { own: network.unary.clone(), at_source: none(), at_destination: none() }
    }

    /// Moves costs until the bound reaches `enough`, hardly rises any more, or `most` rounds are over. Returns the bound.
    pub fn ascend(&mut self, network: &Network, domains: &Domains, enough: i64, most: usize) -> Bound {
        let mut best = self.bound(network, domains);
        for _ in 0..most {
            if best.lower >= enough {
                break;
            }
            self.sweep(network, domains, true);
            self.sweep(network, domains, false);
            let next = self.bound(network, domains);
            // A rise of a ten-thousandth part is not worth another round; branching decides faster.
            let small = next.lower - best.lower <= best.lower / 10_000;
            best = next;
            if small {
                break;
            }
        }
        best
    }

    /// One pass over the variables in order, or backwards: each takes what its edges from before hold and shares it out to
    /// those that come after.
    fn sweep(&mut self, network: &Network, domains: &Domains, rising: bool) {
        let count = domains.len();
        let mut pulled = vec![0; network.unary[0].len()];
        for step in 0..count {
            let variable = if rising { step } else { count - 1 - step };
            let is_later = |edge: &usize| {
                let ends = &network.edges[*edge];
                let other = if ends.from == variable { ends.to } else { ends.from };
                (other > variable) == rising
            };
            let later = network.touching[variable].iter().filter(|edge| is_later(edge)).count();
            let parts = later.max(network.touching[variable].len() - later).max(1) as i64;
            for edge in &network.touching[variable] {
                self.pull(network, domains, *edge, variable, &mut pulled);
                let held = self.side(network, *edge, variable);
                for place in &domains[variable] {
                    held[*place as usize] -= pulled[*place as usize];
                }
                for place in &domains[variable] {
                    self.own[variable][*place as usize] += pulled[*place as usize];
                }
            }
            let share: Vec<i64> = self.own[variable].iter().map(|own| own.div_euclid(parts)).collect();
            for edge in network.touching[variable].iter().filter(|edge| is_later(edge)) {
                let held = self.side(network, *edge, variable);
                for place in &domains[variable] {
                    held[*place as usize] += share[*place as usize];
                }
                for place in &domains[variable] {
                    self.own[variable][*place as usize] -= share[*place as usize];
                }
            }
        }
    }

    /// What an edge holds for `variable`: at each place, its least over the other end.
    fn pull(&self, network: &Network, domains: &Domains, edge: usize, variable: usize, out: &mut [i64]) {
        let ends = &network.edges[edge];
        let forward = ends.to == variable;
        let (other, far, near) = if forward {
            (ends.from, &self.at_source[edge], &self.at_destination[edge])
        } else {
            (ends.to, &self.at_destination[edge], &self.at_source[edge])
        };
        network.min_plus(edge, forward, far, (&domains[other], &domains[variable]), out);
        domains[variable].iter().for_each(|place| out[*place as usize] += near[*place as usize]);
    }

    fn side(&mut self, network: &Network, edge: usize, variable: usize) -> &mut Vec<i64> {
        if network.edges[edge].from == variable { &mut self.at_source[edge] } else { &mut self.at_destination[edge] }
    }

    /// The sum of all minima, and the same with each place fixed.
    fn bound(&self, network: &Network, domains: &Domains) -> Bound {
        let width = network.unary[0].len();
        let least = |row: &[i64], variable: usize| {
            domains[variable].iter().map(|place| row[*place as usize]).min().unwrap_or(FORBIDDEN)
        };
        let mut lower: i64 = self.own.iter().enumerate().map(|(variable, row)| least(row, variable)).sum();
        let mut pulled = vec![0; width];
        let mut with = self.own.clone();
        let mut parts: Vec<i64> = self.own.iter().enumerate().map(|(variable, row)| least(row, variable)).collect();
        for (at, edge) in network.edges.iter().enumerate() {
            for variable in [edge.from, edge.to] {
                self.pull(network, domains, at, variable, &mut pulled);
                let held = least(&pulled, variable);
                parts[variable] += held;
                lower += if variable == edge.from { held } else { 0 };
                for place in &domains[variable] {
                    with[variable][*place as usize] += pulled[*place as usize];
                }
            }
        }
        for (variable, row) in with.iter_mut().enumerate() {
            let rest = lower - parts[variable];
            domains[variable].iter().for_each(|place| row[*place as usize] += rest);
        }
        let places = self.round(network, domains, &with);
        Bound { lower, with, places }
    }

    /// An assignment: each variable in order takes its best place beside those before it.
    fn round(&self, network: &Network, domains: &Domains, with: &[Vec<i64>]) -> Vec<Label> {
        let mut places: Vec<Label> = vec![0; domains.len()];
        for variable in 0..domains.len() {
            let cost = |place: &&Label| {
                let beside = network.touching[variable].iter().map(|edge| {
                    let ends = &network.edges[*edge];
                    let (at_source, at_destination) = (&self.at_source[*edge], &self.at_destination[*edge]);
                    if ends.to == variable && ends.from < variable {
                        let from = places[ends.from];
                        network.pair(*edge, from, **place) + at_source[from as usize] + at_destination[**place as usize]
                    } else if ends.from == variable && ends.to < variable {
                        let to = places[ends.to];
                        network.pair(*edge, **place, to) + at_destination[to as usize] + at_source[**place as usize]
                    } else {
                        0
                    }
                });
                // Among equals the one with the better bound leads to better ones later.
                (self.own[variable][**place as usize] + beside.sum::<i64>(), with[variable][**place as usize])
            };
            places[variable] = domains[variable].iter().min_by_key(cost).copied().unwrap_or_default();
        }
        places
    }
}
