//! What bytes cost between places, and which places are alike.
//!
//! Each transfer is priced by itself on top of the month to date, so that plans add up. Two transfers of one plan that share
//! a source's tiers would together cost less than that, never more, since tiers only fall ([`crate::egress`]).

use std::collections::HashMap;

use domain::Money;

use super::classes::Classes;
use super::cost::Bill;
use super::network::Label;
use super::problem::{PlacementError, Problem, Task};
use crate::egress::{Bytes, EgressError, Ledger, Place, Schedule, schedule};

/// Bits of a gigabyte of 2³⁰ bytes over bits of a gigabit of 10⁹, over the seconds of an hour.
const GB_HOURS_AT_ONE_GBPS: f64 = (1_u64 << 30) as f64 * 8.0 / 1e9 / 3_600.0;

/// One way of charging for bytes.
#[derive(Debug, Clone, Copy)]
struct Rate {
    price: Price,
    gbps: f64,
}

#[derive(Debug, Clone, Copy)]
enum Price {
    /// Dollars a gigabyte.
    Flat(f64),
    /// A price list on top of what left already.
    Tiers(Schedule, Bytes),
}

/// Nano-dollars of one amount at each rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts {
    /// Egress and λ × time.
    pub total: Vec<i64>,
    /// Egress alone.
    pub egress: Vec<i64>,
}

/// Prices between the places of a problem.
#[derive(Debug, Clone)]
pub struct Transfers {
    /// Every place of an offer or of fixed data.
    pub places: Vec<String>,
    /// Which places are alike as destinations.
    pub classes: Classes,
    rates: Vec<Rate>,
    /// By source and destination.
    rate_of: Vec<Vec<usize>>,
    labels: HashMap<String, Label>,
    nanos_per_hour: f64,
}

impl Transfers {
    pub(super) fn new(problem: &Problem) -> Result<Self, PlacementError> {
        let (mut places, mut labels) = (Vec::new(), HashMap::new());
        let mut note = |name: String| {
            if !labels.contains_key(&name) {
                labels.insert(name.clone(), places.len() as Label);
                places.push(name);
            }
        };
        problem.offers.iter().for_each(|offer| note(offer.place()));
        // Fixed places come last: nothing runs there unless an offer names them too.
        let fixed = problem.tasks.iter().flat_map(|task| task.inputs.iter().chain(&task.outputs));
        fixed.for_each(|data| note(data.place.clone()));
        let mut interned = Interned { problem, ledger: ledger(problem)?, rates: Vec::new(), seen: HashMap::new() };
        let parsed: Vec<Result<Place, EgressError>> = places.iter().map(|place| place.parse()).collect();
        let mut rate_of = Vec::with_capacity(places.len());
        for from in 0..places.len() {
            let row = (0..places.len()).map(|to| interned.rate(&places, &parsed, from, to));
            rate_of.push(row.collect::<Result<Vec<usize>, _>>()?);
        }
        let classes = Classes::new(&rate_of);
        let nanos_per_hour = problem.lambda_usd_per_hour * 1e9;
        Ok(Self { places, classes, rates: interned.rates, rate_of, labels, nanos_per_hour })
    }

    /// The number of a place that the problem names.
    pub(super) fn label(&self, place: &str) -> Label {
        self.labels.get(place).copied().unwrap_or_default()
    }

    /// The rate from one place to another: an index into [`Amounts`].
    #[must_use]
    pub fn rate(&self, from: Label, to: Label) -> usize {
        self.rate_of[from as usize][to as usize]
    }

    /// What an amount costs at each rate.
    pub(super) fn amounts(&self, gb: f64) -> Amounts {
        let egress: Vec<i64> = self.rates.iter().map(|rate| rate.egress(gb)).collect();
        let waiting = |rate: &Rate| (gb * GB_HOURS_AT_ONE_GBPS / rate.gbps * self.nanos_per_hour).round() as i64;
        let total = self.rates.iter().zip(&egress).map(|(rate, egress)| egress + waiting(rate)).collect();
        Amounts { total, egress }
    }

    /// What a task's fixed data costs when it runs in `place`.
    pub(super) fn fixed(&self, task: &Task, place: Label) -> Bill {
        let inputs = task.inputs.iter().map(|data| (self.rate(self.label(&data.place), place), data.gb));
        let outputs = task.outputs.iter().map(|data| (self.rate(place, self.label(&data.place)), data.gb));
        let mut bill = Bill::default();
        for (rate, gb) in inputs.chain(outputs) {
            let rate = self.rates[rate];
            bill.egress += rate.egress(gb);
            bill.waiting += (gb * GB_HOURS_AT_ONE_GBPS / rate.gbps * self.nanos_per_hour).round() as i64;
        }
        bill
    }
}

impl Rate {
    fn egress(&self, gb: f64) -> i64 {
        match self.price {
            Price::Flat(usd_per_gb) => Money::from_dollars(usd_per_gb * gb).0,
            Price::Tiers(tiers, before) => tiers.price(before, Bytes::from_gb(gb).unwrap_or_default()).0,
        }
    }
}

fn ledger(problem: &Problem) -> Result<Ledger, PlacementError> {
    let mut ledger = Ledger::default();
    for (at, sent) in problem.month_to_date.iter().enumerate() {
        let unpriced =
            |cause: EgressError| PlacementError::Unpriced { from: sent.from.clone(), to: sent.to.clone(), cause };
        let wrong = PlacementError::Number {
            field: format!("month_to_date[{at}].gb"),
            value: sent.gb,
            wanted: "an amount of gigabytes",
        };
        let (from, to) = (sent.from.parse().map_err(unpriced)?, sent.to.parse().map_err(unpriced)?);
        ledger.record(&from, &to, Bytes::from_gb(sent.gb).ok_or(wrong)?).map_err(unpriced)?;
    }
    Ok(ledger)
}

/// What tells two rates apart: the price's form with its numbers, and the speed.
type RateKey = (usize, u64, u64, u64);

/// Rates as they are found, each kept once.
struct Interned<'a> {
    problem: &'a Problem,
    ledger: Ledger,
    rates: Vec<Rate>,
    seen: HashMap<RateKey, usize>,
}

impl Interned<'_> {
    fn rate(
        &mut self,
        names: &[String],
        places: &[Result<Place, EgressError>],
        from: usize,
        to: usize,
    ) -> Result<usize, PlacementError> {
        let price = self.price(names, places, from, to)?;
        let gbps = self.gbps(&names[from], &names[to]);
        let key = match price {
            Price::Flat(usd_per_gb) => (usize::MAX, usd_per_gb.to_bits(), 0, gbps.to_bits()),
            // A schedule is its table and the price beyond it; the address of a constant table stands for the table.
            Price::Tiers(tiers, before) if tiers.tiers.is_empty() => (0, tiers.beyond as u64, before.0, gbps.to_bits()),
            Price::Tiers(tiers, before) => {
                (tiers.tiers.as_ptr() as usize, tiers.beyond as u64, before.0, gbps.to_bits())
            }
        };
        let rates = &mut self.rates;
        Ok(*self.seen.entry(key).or_insert_with(|| {
            rates.push(Rate { price, gbps });
            rates.len() - 1
        }))
    }

    fn price(
        &self,
        names: &[String],
        places: &[Result<Place, EgressError>],
        from: usize,
        to: usize,
    ) -> Result<Price, PlacementError> {
        if from == to {
            return Ok(Price::Flat(0.0));
        }
        let row = self.problem.egress.iter().find(|row| fits(&row.from, &names[from]) && fits(&row.to, &names[to]));
        if let Some(row) = row {
            return Ok(Price::Flat(row.usd_per_gb));
        }
        // Nothing is sent from the internet by us: what comes in is free, as every cloud has it.
        if names[from] == "internet" {
            return Ok(Price::Flat(0.0));
        }
        let unpriced = |cause: &EgressError| PlacementError::Unpriced {
            from: names[from].clone(),
            to: names[to].clone(),
            cause: cause.clone(),
        };
        let (here, there) = (places[from].as_ref().map_err(unpriced)?, places[to].as_ref().map_err(unpriced)?);
        let tiers = schedule(here, there).map_err(|cause| unpriced(&cause))?;
        // Where one price holds for every amount, what left before changes nothing.
        let before = if tiers.tiers.is_empty() { Bytes(0) } else { self.ledger.month_to_date(here, there) };
        Ok(Price::Tiers(tiers, before))
    }

    fn gbps(&self, from: &str, to: &str) -> f64 {
        let speeds = &self.problem.bandwidth;
        let listed = speeds.pairs.iter().find(|pair| fits(&pair.from, from) && fits(&pair.to, to));
        listed.map_or_else(
            || {
                if from == to {
                    speeds.same_region_gbps
                } else if cloud(from) == cloud(to) {
                    speeds.same_cloud_gbps
                } else {
                    speeds.between_clouds_gbps
                }
            },
            |pair| pair.gbps,
        )
    }
}

fn cloud(place: &str) -> &str {
    place.split_once(':').map_or(place, |(cloud, _)| cloud)
}

/// Whether a row's `*`, cloud or place is that of `place`.
fn fits(pattern: &str, place: &str) -> bool {
    pattern == "*" || pattern == place || pattern == cloud(place)
}
