//! The numbers that are left to solve: variables with a cost for each place, and edges priced by rate.

/// A number that stands for a place.
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

/// Variables, each to be given one place, and edges between them.
#[derive(Debug, Clone)]
pub struct Network {
    /// By variable and place; [`FORBIDDEN`] where it may not be.
    pub unary: Vec<Vec<i64>>,
    /// At most one for each pair of variables.
    pub edges: Vec<NetworkEdge>,
    /// Edges of each variable.
    pub touching: Vec<Vec<usize>>,
    /// Which places are alike.
    pub classes: Classes,
}

/// The places that each variable may still take.
pub type Domains = Vec<Vec<Label>>;

impl Network {
    pub(super) fn new(unary: Vec<Vec<i64>>, edges: Vec<NetworkEdge>, classes: Classes) -> Self {
        let mut touching = vec![Vec::new(); unary.len()];
        for (at, edge) in edges.iter().enumerate() {
            touching[edge.from].push(at);
            touching[edge.to].push(at);
        }
        Self { unary, edges, touching, classes }
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
        self.edges[edge].prices[self.classes.rate_of[from as usize][to as usize]]
    }

    /// What a full assignment costs.
    #[must_use]
    pub fn value(&self, places: &[Label]) -> i64 {
        let unary: i64 = self.unary.iter().zip(places).map(|(row, place)| row[*place as usize]).sum();
        let pairs = self.edges.iter().enumerate();
        unary + pairs.map(|(at, edge)| self.pair(at, places[edge.from], places[edge.to])).sum::<i64>()
    }

    /// For each place of the far end in `to`, the least over `from` of `costs` and the edge. `costs` belongs to the edge's
    /// source when `forward`, else to its destination. Both are by place; what is outside the lists is not touched.
    pub(super) fn min_plus(
        &self,
        edge: usize,
        forward: bool,
        costs: &[i64],
        (from, to): (&[Label], &[Label]),
        out: &mut [i64],
    ) {
        let prices = &self.edges[edge].prices;
        let by_class = (from.len() + to.len()) * self.classes.count;
        if from.len() * to.len() <= 2 * by_class {
            self.min_plus_by_pair(prices, forward, costs, (from, to), out);
        } else if forward {
            self.classes.min_plus_forward(prices, costs, (from, to), out);
        } else {
            self.classes.min_plus_backward(prices, costs, (from, to), out);
        }
    }

    fn min_plus_by_pair(
        &self,
        prices: &[i64],
        forward: bool,
        costs: &[i64],
        (from, to): (&[Label], &[Label]),
        out: &mut [i64],
    ) {
        let rates = &self.classes.rate_of;
        for far in to {
            let rate = |near: &Label| {
                if forward { rates[*near as usize][*far as usize] } else { rates[*far as usize][*near as usize] }
            };
            let sums = from.iter().map(|near| costs[*near as usize] + prices[rate(near)]);
            out[*far as usize] = sums.min().unwrap_or(FORBIDDEN);
        }
    }
}

/// Places grouped by what it costs to reach them: all of a class at one rate from each other place.
#[derive(Debug, Clone)]
pub struct Classes {
    /// How many classes there are.
    pub count: usize,
    /// The class of each place.
    class_of: Vec<usize>,
    /// Rate by source place and class; nothing where the source is the class's one member.
    rate_to: Vec<Vec<Option<usize>>>,
    /// Rate by source and destination place.
    rate_of: Vec<Vec<usize>>,
}

/// The least value and where, and the least elsewhere.
#[derive(Clone, Copy)]
struct TwoLeast {
    least: i64,
    at: Label,
    next: i64,
}

impl TwoLeast {
    const NONE: Self = Self { least: FORBIDDEN, at: Label::MAX, next: FORBIDDEN };

    fn note(&mut self, value: i64, at: Label) {
        if value < self.least {
            *self = Self { least: value, at, next: self.least };
        } else if value < self.next {
            self.next = value;
        }
    }

    /// The least that is not at `place`.
    const fn elsewhere(&self, place: Label) -> i64 {
        if self.at == place { self.next } else { self.least }
    }
}

impl Classes {
    /// Groups places, first come first served, by their column of rates without the diagonal.
    #[must_use]
    pub fn new(rate_of: &[Vec<usize>]) -> Self {
        let count = rate_of.len();
        let mut columns: Vec<Vec<Option<usize>>> = Vec::new();
        let mut class_of = Vec::with_capacity(count);
        // Each place is a column of every row.
        #[allow(clippy::needless_range_loop)]
        for to in 0..count {
            let alike = |column: &Vec<Option<usize>>| {
                (0..count).all(|from| from == to || column[from].is_none_or(|rate| rate == rate_of[from][to]))
            };
            let class = columns.iter().position(alike).unwrap_or(columns.len());
            if class == columns.len() {
                columns.push(vec![None; count]);
            }
            for from in (0..count).filter(|from| *from != to) {
                columns[class][from] = Some(rate_of[from][to]);
            }
            class_of.push(class);
        }
        let rate_to = (0..count).map(|from| columns.iter().map(|column| column[from]).collect()).collect();
        Self { count: columns.len(), class_of, rate_to, rate_of: rate_of.to_vec() }
    }

    fn min_plus_forward(&self, prices: &[i64], costs: &[i64], (from, to): (&[Label], &[Label]), out: &mut [i64]) {
        let mut best = vec![TwoLeast::NONE; self.count];
        for near in from {
            let cost = costs[*near as usize];
            for (best, rate) in best.iter_mut().zip(&self.rate_to[*near as usize]) {
                if let Some(rate) = rate {
                    best.note(cost + prices[*rate], *near);
                }
            }
        }
        for far in to {
            out[*far as usize] = best[self.class_of[*far as usize]].elsewhere(*far);
        }
        self.stay(prices, costs, (from, to), out);
    }

    fn min_plus_backward(&self, prices: &[i64], costs: &[i64], (from, to): (&[Label], &[Label]), out: &mut [i64]) {
        let mut best = vec![TwoLeast::NONE; self.count];
        for near in from {
            best[self.class_of[*near as usize]].note(costs[*near as usize], *near);
        }
        for far in to {
            let through = best.iter().zip(&self.rate_to[*far as usize]);
            let sums = through.filter_map(|(best, rate)| Some(best.elsewhere(*far) + prices[(*rate)?]));
            out[*far as usize] = sums.min().unwrap_or(FORBIDDEN);
        }
        self.stay(prices, costs, (from, to), out);
    }

    /// Both ends in one place.
    fn stay(&self, prices: &[i64], costs: &[i64], (from, to): (&[Label], &[Label]), out: &mut [i64]) {
        // Both lists rise, so one walk finds what they share.
        let mut near = from.iter().peekable();
        for far in to {
            while near.next_if(|near| *near < far).is_some() {}
            if near.peek() == Some(&far) {
                let at = *far as usize;
                out[at] = out[at].min(costs[at] + prices[self.rate_of[at][at]]);
            }
        }
    }
}
