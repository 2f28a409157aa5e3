//! The cheapest whole number of accelerators of each type for a load split by request size.
//!
//! The programme of Mélange (Griggs and others, "Mélange: cost efficient large language model serving by exploiting GPU
//! heterogeneity", 2024): each slice of load goes to one type, min Σ price·count so that the load on a type is at most its
//! count. Exact by branch and bound; spot risk enters as load / (1 − risk).

/// A type that can be bought.
#[derive(Debug, Clone, PartialEq)]
pub struct Accelerator {
    /// Nano-dollars for an hour of one.
    pub price: i64,
    /// Requests per second that one serves within the objective, by size of request; 0 where it cannot.
    pub rate: Vec<f64>,
    /// Most that can be had.
    pub available: u32,
    /// Share of time that one is not there (spot).
    pub risk: f64,
}

/// What to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    /// Nano-dollars an hour.
    pub price: i64,
    /// How many of each type.
    pub counts: Vec<u32>,
    /// The type of each slice.
    pub slices: Vec<usize>,
    /// No mix costs less than this; equal to `price` when it is proven cheapest.
    pub lower_bound: i64,
}

/// Why there is no mix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// A number is out of range, or a table has the wrong length.
    #[error("{0}")]
    Input(&'static str),
    /// A slice fits on no type.
    #[error("no accelerator serves requests of size {0}")]
    Unserved(usize),
    /// There are not enough accelerators.
    #[error("the accelerators available cannot carry the load")]
    Short,
}

/// Loads are whole parts of one accelerator, so that sums are exact. They are rounded down: a third and two thirds must make
/// one, and even all slices together lose less than a millionth of an accelerator by it.
const PARTS: u64 = 1_000_000_000;
/// Most slices.
const MOST_SLICES: usize = 256;
/// Most partial mixes that are looked at.
const MOST_NODES: usize = 2_000_000;

/// Buys for `slices`: the size of request and the requests per second of each.
///
/// # Errors
/// When the input makes no sense or the load cannot be carried.
pub fn cheapest_mix(types: &[Accelerator], slices: &[(usize, f64)]) -> Result<Mix, MixError> {
    let loads = loads(types, slices)?;
    // The hardest slice first: the one whose cheapest share of a machine costs most.
    let cost = |slice: usize, of: usize| {
        loads[slice][of].map(|load| u128::from(load) * u128::from(types[of].price.unsigned_abs()))
    };
    let cheapest = |slice: usize| (0..types.len()).filter_map(|of| cost(slice, of)).min().unwrap_or(0);
    let mut order: Vec<usize> = (0..slices.len()).collect();
    order.sort_by_key(|slice| std::cmp::Reverse(cheapest(*slice)));
    let mut rest = vec![0; slices.len() + 1];
    for (at, slice) in order.iter().enumerate().rev() {
        rest[at] = rest[at + 1] + cheapest(*slice);
    }
    let alike = alike(&order, slices);
    let mut search = Search {
        types,
        loads: &loads,
        order: &order,
        rest: &rest,
        alike,
        best: None,
        nodes: 0,
        load: vec![0; types.len()],
    };
    let mut chosen = Vec::with_capacity(slices.len());
    search.place(&mut chosen);
    let stopped = search.nodes >= MOST_NODES;
    let (price, chosen) = search.best.ok_or(MixError::Short)?;
    let mut mix = Mix { price, counts: vec![0; types.len()], slices: vec![0; slices.len()], lower_bound: price };
    if stopped {
        mix.lower_bound = i64::try_from(rest[0].div_ceil(u128::from(PARTS))).unwrap_or(price).min(price);
    }
    let mut load = vec![0_u64; types.len()];
    for (slice, of) in order.iter().zip(chosen) {
        mix.slices[*slice] = of;
        load[of] += loads[*slice][of].unwrap_or(0);
    }
    mix.counts = load.iter().map(|load| load.div_ceil(PARTS) as u32).collect();
    Ok(mix)
}

/// By slice and type, in parts of one accelerator; nothing where the type cannot serve it.
fn loads(types: &[Accelerator], slices: &[(usize, f64)]) -> Result<Vec<Vec<Option<u64>>>, MixError> {
    if slices.len() > MOST_SLICES {
        return Err(MixError::Input("more than 256 slices: make them larger"));
    }
    if types.iter().any(|of| of.price < 0 || !(0.0..1.0).contains(&of.risk)) {
        return Err(MixError::Input("a price is negative or a risk is not a share below 1"));
    }
    let mut loads = Vec::with_capacity(slices.len());
    for (size, requests) in slices {
        if !(0.0..=1e9).contains(requests) {
            return Err(MixError::Input("a rate of requests is not between 0 and 1e9"));
        }
        let mut row = Vec::with_capacity(types.len());
        for of in types {
            let rate = *of.rate.get(*size).ok_or(MixError::Input("a type has no rate for a size"))?;
            let parts = requests / (rate * (1.0 - of.risk)) * PARTS as f64;
            row.push((rate > 0.0 && parts < 1e18).then_some(parts as u64));
        }
        if row.iter().all(Option::is_none) {
            return Err(MixError::Unserved(*size));
        }
        loads.push(row);
    }
    Ok(loads)
}

/// Which slices in order are the same as the one before; they need not be tried in both orders.
fn alike(order: &[usize], slices: &[(usize, f64)]) -> Vec<bool> {
    let same = |pair: &[usize]| slices[pair[0]] == slices[pair[1]];
    std::iter::once(false).chain(order.windows(2).map(same)).collect()
}

struct Search<'a> {
    types: &'a [Accelerator],
    loads: &'a [Vec<Option<u64>>],
    order: &'a [usize],
    /// Least price of what is left from each place in the order on, times [`PARTS`].
    rest: &'a [u128],
    alike: Vec<bool>,
    best: Option<(i64, Vec<usize>)>,
    nodes: usize,
    load: Vec<u64>,
}

impl Search<'_> {
    fn place(&mut self, chosen: &mut Vec<usize>) {
        self.nodes += 1;
        if self.nodes >= MOST_NODES || self.is_hopeless(chosen.len()) {
            return;
        }
        let at = chosen.len();
        if at == self.order.len() {
            self.best = Some((self.price(), chosen.clone()));
            return;
        }
        let slice = self.order[at];
        // Where the last price rises least comes first.
        let least = if self.alike[at] { chosen[at - 1] } else { 0 };
        let mut ways: Vec<(i64, usize, u64)> = (least..self.types.len())
            .filter_map(|of| Some((of, self.loads[slice][of]?)))
            .map(|(of, load)| (self.rise(of, load), of, load))
            .collect();
        ways.sort_unstable();
        for (_, of, load) in ways {
            self.load[of] += load;
            if self.load[of].div_ceil(PARTS) <= u64::from(self.types[of].available) {
                chosen.push(of);
                self.place(chosen);
                chosen.pop();
            }
            self.load[of] -= load;
        }
    }

    fn rise(&self, of: usize, load: u64) -> i64 {
        let more = (self.load[of] + load).div_ceil(PARTS) - self.load[of].div_ceil(PARTS);
        self.types[of].price.saturating_mul(more as i64)
    }

    fn price(&self) -> i64 {
        self.load.iter().zip(self.types).map(|(load, of)| of.price.saturating_mul(load.div_ceil(PARTS) as i64)).sum()
    }

    /// Whether nothing below is cheaper than the best: neither whole machines so far, nor parts so far with the cheapest parts
    /// of the rest.
    fn is_hopeless(&self, at: usize) -> bool {
        let Some((best, _)) = &self.best else { return false };
        let parts =
            self.load.iter().zip(self.types).map(|(load, of)| u128::from(*load) * of.price.unsigned_abs() as u128);
        let whole = u128::from(best.unsigned_abs()) * u128::from(PARTS);
        self.price() >= *best || parts.sum::<u128>() + self.rest[at] > whole - u128::from(PARTS)
    }
}
