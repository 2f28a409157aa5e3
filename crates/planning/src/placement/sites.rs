//! Labels for a problem's offers: places, or where quotas matter, a place and what its offers take of each quota.

use std::collections::BTreeMap;

use domain::Money;

use super::cost::{Collapsed, Costs};
use super::limits::{Budget, Group, Limits};
use super::network::{FORBIDDEN, Label, Network};
use super::order::Order;
use super::problem::Problem;

/// Offers grouped so that those of one label differ in price alone.
#[derive(Debug, Clone)]
pub struct Sites {
    /// The label of each offer.
    pub label_of: Vec<Label>,
    /// The place of each label; labels of one place stand side by side.
    pub place_of: Vec<Label>,
    /// What an instance takes of each quota, by label; nothing where quotas are left out.
    units: Vec<Vec<u32>>,
}

impl Sites {
    /// One label for each place, as if there were no quotas.
    #[must_use]
    pub fn by_place(costs: &Costs) -> Self {
        let place_of = (0..costs.transfers.places.len() as Label).collect();
        Self { label_of: costs.place_of.clone(), place_of, units: Vec::new() }
    }

    /// One label for each place and way of taking from the quotas.
    #[must_use]
    pub fn by_quota(problem: &Problem, costs: &Costs) -> Self {
        let key = |(offer, place): (&super::Offer, &Label)| {
            (*place, problem.quotas.iter().map(|quota| quota.units(offer)).collect::<Vec<u32>>())
        };
        let keys: Vec<(Label, Vec<u32>)> = problem.offers.iter().zip(&costs.place_of).map(key).collect();
        let mut labels: BTreeMap<&(Label, Vec<u32>), Label> = keys.iter().map(|key| (key, 0)).collect();
        labels.values_mut().zip(0..).for_each(|(label, at)| *label = at);
        let place_of = labels.keys().map(|key| key.0).collect();
        let units = labels.keys().map(|key| key.1.clone()).collect();
        Self { label_of: keys.iter().map(|key| labels[key]).collect(), place_of, units }
    }

    /// What a whole plan must keep.
    pub(super) fn limits(&self, problem: &Problem, costs: &Costs, collapsed: &Collapsed, with_budget: bool) -> Limits {
        let group = |at: usize| Group {
            limit: i64::from(problem.quotas[at].limit),
            takes: problem
                .tasks
                .iter()
                .map(|task| self.units.iter().map(|units| i64::from(units[at]) * i64::from(task.instances)).collect())
                .collect(),
        };
        let groups = if self.units.is_empty() { Vec::new() } else { (0..problem.quotas.len()).map(group).collect() };
        let most = problem.budget_usd.filter(|_| with_budget).map(|usd| Money::from_dollars(usd).0);
        let budget = most.map(|most| Budget { most, money: self.money(problem, costs, &collapsed.network) });
        let order = Order::new(problem.tasks.len(), costs.edges.iter().map(|edge| (edge.from, edge.to)));
        Limits::new(groups, budget, order)
    }

    /// The same choices with dollars alone as their cost, without the price of waiting.
    pub(super) fn money(&self, problem: &Problem, costs: &Costs, network: &Network) -> Network {
        let mut money = network.clone();
        for (task, row) in problem.tasks.iter().zip(&mut money.unary) {
            let mut waiting: BTreeMap<Label, i64> = BTreeMap::new();
            for (cost, place) in row.iter_mut().zip(&self.place_of).filter(|(cost, _)| **cost < FORBIDDEN) {
                *cost -= *waiting.entry(*place).or_insert_with(|| costs.transfers.fixed(task, *place).waiting);
            }
        }
        for (edge, costs) in money.edges.iter_mut().zip(&costs.edges) {
            edge.prices.clone_from(&costs.amounts.egress);
        }
        money
    }
}
