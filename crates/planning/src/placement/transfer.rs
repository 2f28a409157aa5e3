//! What bytes cost between places, and which places are alike.
//!
//! Each transfer is priced by itself on top of the month to date, so that plans add up. Two transfers of one plan that share
//! a source's tiers would together cost less than that, never more, since tiers only fall ([`crate::egress`]).

use std::collections::HashMap;

use domain::Money;
use serde::Serialize;

use super::classes::Classes;
use super::cost::Bill;
use super::error::PlacementError;
use super::network::Label;
use super::problem::{FixedData, Problem, Relay, Task};
use super::rate::{Interned, Rate};
use crate::egress::{EgressError, Place};

/// Nano-dollars of one amount by way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts {
    /// Egress and λ × time.
    pub total: Vec<i64>,
    /// Egress alone, with the relay's machine.
    pub egress: Vec<i64>,
    /// The relay, by number, where one is cheaper.
    pub via: Vec<Option<usize>>,
}

/// How data may get from one place to another: which rates it pays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    direct: usize,
    /// By relay that lies at neither end: its number, and the rates to and from it.
    through: Vec<(usize, usize, usize)>,
}

/// Prices between the places of a problem.
#[derive(Debug, Clone)]
pub struct Transfers {
    /// Every place of an offer, of fixed data or of a relay.
    pub places: Vec<String>,
    /// Which places are alike as destinations.
    pub classes: Classes,
    rates: Vec<Rate>,
    ways: Vec<Way>,
    labels: HashMap<String, Label>,
    nanos_per_hour: f64,
    relays: Vec<Relay>,
    /// Whether each relay is in service.
    is_up: Vec<bool>,
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
        // Fixed places and relays come last: nothing runs there unless an offer names them too.
        let fixed = problem.tasks.iter().flat_map(|task| task.inputs.iter().chain(&task.outputs));
        fixed.for_each(|data| note(data.place.clone()));
        problem.relays.iter().for_each(|relay| note(relay.place.clone()));
        let mut interned = Interned::new(problem)?;
        let parsed: Vec<Result<Place, EgressError>> = places.iter().map(|place| place.parse()).collect();
        let mut rate_of = Vec::with_capacity(places.len());
        for from in 0..places.len() {
            let row = (0..places.len()).map(|to| interned.rate(&places, &parsed, from, to));
            rate_of.push(row.collect::<Result<Vec<usize>, _>>()?);
        }
        let at: Vec<usize> = problem.relays.iter().map(|relay| labels[&relay.place] as usize).collect();
        let (ways, way_of) = ways(&rate_of, &at);
        Ok(Self {
            classes: Classes::new(&way_of),
            places,
            rates: interned.rates,
            ways,
            labels,
            nanos_per_hour: problem.lambda_usd_per_hour * 1e9,
            is_up: problem.relays.iter().map(|relay| !problem.outages.iter().any(|name| relay.is_in(name))).collect(),
            relays: problem.relays.clone(),
        })
    }

    /// The number of a place that the problem names.
    pub(super) fn label(&self, place: &str) -> Label {
        self.labels.get(place).copied().unwrap_or_default()
    }

    /// The way from one place to another: an index into [`Amounts`].
    #[must_use]
    pub fn rate(&self, from: Label, to: Label) -> usize {
        self.classes.rate(from, to)
    }

    /// What an amount costs by each way; it may go through the relays where all of `tasks` allow it.
    pub(super) fn amounts(&self, gb: f64, tasks: &[&Task]) -> Amounts {
        let priced: Vec<(i64, f64)> = (0..self.rates.len()).map(|rate| self.priced(rate, gb)).collect();
        let best = |way: &Way| self.best(way, |rate| priced[rate], gb, tasks);
        let found: Vec<(Bill, Option<usize>)> = self.ways.iter().map(best).collect();
        Amounts {
            total: found.iter().map(|(bill, _)| bill.objective()).collect(),
            egress: found.iter().map(|(bill, _)| bill.egress).collect(),
            via: found.into_iter().map(|(_, via)| via).collect(),
        }
    }

    /// Egress and hours of an amount at a rate.
    fn priced(&self, rate: usize, gb: f64) -> (i64, f64) {
        let rate = &self.rates[rate];
        (rate.egress(gb), rate.hours(gb))
    }

    /// The cheapest of going directly and through one relay; directly when nothing is cheaper.
    fn best(&self, way: &Way, priced: impl Fn(usize) -> (i64, f64), gb: f64, tasks: &[&Task]) -> (Bill, Option<usize>) {
        let waiting = |hours: f64| (hours * self.nanos_per_hour).round() as i64;
        let (egress, hours) = priced(way.direct);
        let mut best = (Bill { machines: 0, egress, waiting: waiting(hours) }, None);
        for (relay, to, from) in way.through.iter().filter(|(relay, _, _)| gb > 0.0 && self.is_up[*relay]) {
            let (to, from, by) = (priced(*to), priced(*from), &self.relays[*relay]);
            let hours = to.1 + from.1;
            let egress = to.0 + from.0 + Money::from_dollars(by.usd_per_hour * hours).0;
            let bill = Bill { machines: 0, egress, waiting: waiting(to.1) + waiting(from.1) };
            if bill.objective() < best.0.objective() && tasks.iter().all(|task| by.may_pass(task)) {
                best = (bill, Some(*relay));
            }
        }
        best
    }

    /// What a task's fixed data costs when it runs in `place`.
    #[must_use]
    pub fn fixed(&self, task: &Task, place: Label) -> Bill {
        let mut bill = Bill::default();
        for (_, (part, _)) in self.fixed_ways(task, place) {
            bill.egress += part.egress;
            bill.waiting += part.waiting;
        }
        bill
    }

    /// For each of a task's fixed data, whether it goes out, and what it costs and through which relay.
    fn fixed_ways<'a>(
        &'a self,
        task: &'a Task,
        place: Label,
    ) -> impl Iterator<Item = ((&'a FixedData, bool), (Bill, Option<usize>))> {
        let inputs = task.inputs.iter().map(move |data| (data, false, self.rate(self.label(&data.place), place)));
        let outputs = task.outputs.iter().map(move |data| (data, true, self.rate(place, self.label(&data.place))));
        inputs.chain(outputs).map(move |(data, is_output, way)| {
            ((data, is_output), self.best(&self.ways[way], |rate| self.priced(rate, data.gb), data.gb, &[task]))
        })
    }

    /// The relays that a task's fixed data goes through when it runs in `place`.
    pub(super) fn fixed_relays(&self, task: &Task, place: Label) -> Vec<Relayed> {
        let named = |((data, is_output), (_, via)): ((&FixedData, bool), (Bill, Option<usize>))| {
            let (from, to) = if is_output { (&task.name, &data.place) } else { (&data.place, &task.name) };
            Some(Relayed { from: from.clone(), to: to.clone(), via: self.relays[via?].place.clone() })
        };
        self.fixed_ways(task, place).filter_map(named).collect()
    }

    /// The place of a relay.
    pub(super) fn relay_place(&self, relay: usize) -> String {
        self.relays[relay].place.clone()
    }
}

/// Data that goes through a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relayed {
    /// The task or place that sends.
    pub from: String,
    /// The task or place that receives.
    pub to: String,
    /// The place in between.
    pub via: String,
}

/// Every kind of way once, and the kind from each place to each.
fn ways(rate_of: &[Vec<usize>], relays: &[usize]) -> (Vec<Way>, Vec<Vec<usize>>) {
    let (mut ways, mut seen) = (Vec::new(), HashMap::new());
    let mut way = |from: usize, to: usize| {
        let between = |(_, at): &(usize, &usize)| from != to && **at != from && **at != to;
        let through = relays.iter().enumerate().filter(between);
        let through = through.map(|(relay, at)| (relay, rate_of[from][*at], rate_of[*at][to])).collect();
        let way = Way { direct: rate_of[from][to], through };
        *seen.entry(way.clone()).or_insert_with(|| {
            ways.push(way);
            ways.len() - 1
        })
    };
    let count = rate_of.len();
    let way_of = (0..count).map(|from| (0..count).map(|to| way(from, to)).collect()).collect();
    (ways, way_of)
}
