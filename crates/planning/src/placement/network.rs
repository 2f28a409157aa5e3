//! The numbers that are left to solve: variables with a cost for each label, and edges priced by the places' rate.

use super::classes::{Classes, Gathered};
use super::flow::Flow;

/// A number that stands for a place, or for a choice within one.
pub type Label = u32;
/// The cost of a place that is not allowed; far above any sum of costs, far below the end of the range.
pub const FORBIDDEN: i64 = i64::MAX / 8;

/// An edge between two variables.
#[derive(Debug, Clone)]
pub struct NetworkEdge {
    /// The source variable.
    pub from: usize,
    /// The destination variable.
    pub to: usize,
    /// Cost by rate.
    pub prices: Vec<i64>,
}

/// Variables, each to be given one label, and edges between them.
#[derive(Debug, Clone)]
pub struct Network {
    /// By variable and place; [`FORBIDDEN`] where it may not be.
    pub unary: Vec<Vec<i64>>,
    /// At most one for each pair of variables.
    pub edges: Vec<NetworkEdge>,
    /// Edges of each variable.
    pub touching: Vec<Vec<usize>>,
    /// Of those, the ones to variables before it, and after it.
    pub lower: Vec<Vec<usize>>,
    /// See [`Self::lower`].
    pub higher: Vec<Vec<usize>>,
    /// The place of each label; labels of one place stand side by side.
    pub place_of: Vec<Label>,
    /// Which places are alike.
    pub classes: Classes,
}

/// The places that each variable may still take.
pub type Domains = Vec<Vec<Label>>;

impl Network {
    pub(super) fn new(unary: Vec<Vec<i64>>, edges: Vec<NetworkEdge>, place_of: Vec<Label>, classes: Classes) -> Self {
        let none = vec![Vec::new(); unary.len()];
        let (mut touching, mut lower, mut higher) = (none.clone(), none.clone(), none);
        for (at, edge) in edges.iter().enumerate() {
            touching[edge.from].push(at);
            touching[edge.to].push(at);
            lower[edge.from.max(edge.to)].push(at);
            higher[edge.from.min(edge.to)].push(at);
        }
        Self { unary, edges, touching, lower, higher, place_of, classes }
    }

    /// Labels of each row.
    pub(super) fn width(&self) -> usize {
        self.place_of.len()
    }

    /// Everything that is allowed.
    #[must_use]
    pub fn domains(&self) -> Domains {
        let allowed = |row: &Vec<i64>| {
            let places = row.iter().zip(0..);
            places.filter(|(cost, _)| **cost < FORBIDDEN).map(|(_, place)| place).collect()
        };
        self.unary.iter().map(allowed).collect()
    }

    /// What an edge costs between two places.
    #[must_use]
    pub fn pair(&self, edge: usize, from: Label, to: Label) -> i64 {
        let (from, to) = (self.place_of[from as usize], self.place_of[to as usize]);
        self.edges[edge].prices[self.classes.rate(from, to)]
    }

    /// What a full assignment costs.
    #[must_use]
    pub fn value(&self, places: &[Label]) -> i64 {
        let unary: i64 = self.unary.iter().zip(places).map(|(row, place)| row[*place as usize]).sum();
        let pairs = self.edges.iter().enumerate();
        unary + pairs.map(|(at, edge)| self.pair(at, places[edge.from], places[edge.to])).sum::<i64>()
    }

    /// For each place of the far end in `far`, the least over `near` of `costs` and the edge. `costs` belongs to the edge's
    /// source when `forward`, else to its destination. What is outside the lists is not touched.
    pub(super) fn min_plus(
        &self,
        (edge, forward): (usize, bool),
        costs: &[i64],
        (near, far): (&[Label], &[Label]),
        out: &mut [i64],
        work: &mut Work,
    ) {
        let prices = &self.edges[edge].prices;
        if near.len() * far.len() <= near.len() + far.len() + 2 * self.classes.pairs_of_groups() {
            for label in far {
                let rates = self.classes.rates(self.place_of[*label as usize], !forward);
                let sum = |near: &Label| {
                    costs[*near as usize] + prices[rates[self.place_of[*near as usize] as usize] as usize]
                };
                out[*label as usize] = near.iter().map(sum).min().unwrap_or(FORBIDDEN);
            }
            return;
        }
        let here = &mut work.here;
        here.resize(self.classes.places(), FORBIDDEN);
        far.iter().for_each(|label| here[self.place_of[*label as usize] as usize] = FORBIDDEN);
        // Labels of a place stand side by side.
        let by_place = near.chunk_by(|a, b| self.place_of[*a as usize] == self.place_of[*b as usize]).map(|labels| {
            let cost = labels.iter().map(|label| costs[*label as usize]).min().unwrap_or(FORBIDDEN);
            let place = self.place_of[labels[0] as usize];
            here[place as usize] = cost;
            (place, cost)
        });
        self.classes.gather(prices, forward, by_place, &mut work.gathered);
        for label in far {
            let place = self.place_of[*label as usize];
            let stay = here[place as usize] + prices[self.classes.rate(place, place)];
            out[*label as usize] = self.classes.reach(forward, place, &work.gathered).min(stay);
        }
    }
}

/// Room for passing over an edge, kept from one to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    here: Vec<i64>,
    /// For [`super::ascent`].
    pub(super) pulled: Vec<i64>,
    /// For [`super::local`].
    pub(super) flow: Flow,
    gathered: Gathered,
}
