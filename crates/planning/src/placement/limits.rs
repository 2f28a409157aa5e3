//! What a whole plan must keep: quotas that tasks share, and the budget.
//!
//! A quota counts every set of tasks that may run at once (an antichain of the graph), so that it holds however long tasks take.
//! There are too many such sets to list: the heaviest one of an assignment decides whether that is allowed, and is kept as a
//! row from then on. Rows and the budget enter the bound at a price each (Lagrange duality), which is found by steps along the
//! subgradient (Held, Wolfe and Crowder, "Validation of subgradient optimization", 1974). Any prices give a valid bound.

use super::flow::Flow;
use super::network::{Domains, FORBIDDEN, Label, Network};
use super::order::Order;

/// Most rows that are kept; what is not kept is found again.
const MOST_ROWS: usize = 200;
/// Parts of a nano-dollar that a nano-dollar of the budget is priced in.
const PARTS: i64 = 4_096;

/// One quota.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) limit: i64,
    /// What each task takes of it, by label.
    pub(super) takes: Vec<Vec<i64>>,
}

/// The whole plan's budget.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub(super) most: i64,
    /// Dollars alone, without the price of waiting.
    pub(super) money: Network,
}

/// Tasks that may run at once and so share a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    group: usize,
    tasks: Vec<usize>,
}

/// Everything that a whole plan must keep.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    groups: Vec<Group>,
    budget: Option<Budget>,
    order: Order,
    rows: Vec<Row>,
    /// Nano-dollars for a unit of each row, and [`PARTS`] of the budget.
    row_prices: Vec<i64>,
    budget_price: i64,
    flow: Flow,
}

impl Limits {
    pub(super) fn new(groups: Vec<Group>, budget: Option<Budget>, order: Order) -> Self {
        let (rows, row_prices) = (Vec::new(), Vec::new());
        Self { groups, budget, order, rows, row_prices, budget_price: 0, flow: Flow::default() }
    }

    /// Whether an assignment keeps everything. What breaks a quota becomes a row.
    pub(super) fn allow(&mut self, labels: &[Label]) -> bool {
        let is_paid = self.budget.as_ref().is_none_or(|budget| budget.money.value(labels) <= budget.most);
        self.quotas_hold(labels.len(), |takes, task| takes[task][labels[task] as usize]) && is_paid
    }

    /// Whether the quotas hold when each task takes the least that its domain leaves it.
    pub(super) fn may_allow(&mut self, domains: &Domains) -> bool {
        let least = |takes: &[Vec<i64>], task: usize| {
            domains[task].iter().map(|label| takes[task][*label as usize]).min().unwrap_or(0)
        };
        self.quotas_hold(domains.len(), least)
    }

    fn quotas_hold(&mut self, tasks: usize, takes: impl Fn(&[Vec<i64>], usize) -> i64) -> bool {
        let mut all = true;
        for at in 0..self.groups.len() {
            let group = &self.groups[at];
            let weights: Vec<(usize, i64)> =
                (0..tasks).map(|task| (task, takes(&group.takes, task))).filter(|(_, takes)| *takes > 0).collect();
            if weights.iter().map(|(_, takes)| takes).sum::<i64>() <= group.limit {
                continue;
            }
            let (heaviest, together) = self.order.heaviest(&weights, &mut self.flow);
            if heaviest > group.limit {
                all = false;
                self.keep(at, together);
            }
        }
        all
    }

    /// An assignment that keeps the quotas, one task after the other where it is cheapest beside those before it; it may fail where
    /// there is one.
    pub(super) fn greedy(&mut self, network: &Network, domains: &Domains) -> Option<Vec<Label>> {
        let mut placed = domains.clone();
        for task in 0..domains.len() {
            let cost = |label: Label| {
                let beside = network.lower[task].iter().map(|edge| {
                    let ends = &network.edges[*edge];
                    let (from, to) =
                        if ends.to == task { (placed[ends.from][0], label) } else { (label, placed[ends.to][0]) };
                    network.pair(*edge, from, to)
                });
                network.unary[task][label as usize] + beside.sum::<i64>()
            };
            let mut labels: Vec<(i64, Label)> = domains[task].iter().map(|label| (cost(*label), *label)).collect();
            labels.sort_unstable();
            let fitting = labels.into_iter().find(|(_, label)| {
                placed[task] = vec![*label];
                self.may_allow(&placed)
            });
            fitting?;
        }
        Some(placed.into_iter().filter_map(|domain| domain.first().copied()).collect())
    }

    /// Keeps a row, with every other task that may run beside it.
    fn keep(&mut self, group: usize, mut tasks: Vec<usize>) {
        for task in 0..self.groups[group].takes.len() {
            let may_take = self.groups[group].takes[task].iter().any(|takes| *takes > 0);
            if may_take && tasks.iter().all(|other| self.order.may_overlap(task, *other)) {
                tasks.push(task);
            }
        }
        tasks.sort_unstable();
        let row = Row { group, tasks };
        if self.rows.len() < MOST_ROWS && !self.rows.contains(&row) {
            self.rows.push(row);
            self.row_prices.push(0);
        }
    }

    /// Drops labels that leave no room for the least that the others of a row take; whether every row can still be kept.
    pub(super) fn propagate(&self, domains: &mut Domains) -> bool {
        self.rows.iter().all(|row| {
            let group = &self.groups[row.group];
            let least = |task: &usize, domains: &Domains| {
                let takes = domains[*task].iter().map(|label| group.takes[*task][*label as usize]);
                takes.min().unwrap_or(0)
            };
            let room = group.limit - row.tasks.iter().map(|task| least(task, domains)).sum::<i64>();
            for task in row.tasks.iter().filter(|_| room >= 0) {
                let most = room + least(task, domains);
                domains[*task].retain(|label| group.takes[*task][*label as usize] <= most);
            }
            room >= 0
        })
    }

    /// `network` with what is scarce at its price, and what to take off its values: no assignment that keeps everything costs less
    /// than its value there minus that.
    pub(super) fn priced(&self, network: &Network) -> (Network, i64) {
        let (mut priced, mut off) = (network.clone(), 0);
        for (row, price) in self.rows.iter().zip(&self.row_prices).filter(|(_, price)| **price > 0) {
            let group = &self.groups[row.group];
            off += price * group.limit;
            for task in &row.tasks {
                let costs = priced.unary[*task].iter_mut().zip(&group.takes[*task]);
                costs.filter(|(cost, _)| **cost < FORBIDDEN).for_each(|(cost, takes)| *cost += price * takes);
            }
        }
        let Some(budget) = self.budget.as_ref().filter(|_| self.budget_price > 0) else { return (priced, off) };
        // Rounded so that the bound is never too high.
        let scaled = |money: i64| i128::from(money) * i128::from(self.budget_price);
        off += scaled(budget.most).div_euclid(i128::from(PARTS)) as i64 + 1;
        let part = |money: i64| scaled(money).div_euclid(i128::from(PARTS)) as i64;
        for (row, money) in priced.unary.iter_mut().zip(&budget.money.unary) {
            let costs = row.iter_mut().zip(money).filter(|(cost, _)| **cost < FORBIDDEN);
            costs.for_each(|(cost, money)| *cost += part(*money));
        }
        for (edge, money) in priced.edges.iter_mut().zip(&budget.money.edges) {
            edge.prices.iter_mut().zip(&money.prices).for_each(|(cost, money)| *cost += part(*money));
        }
        (priced, off)
    }

    /// Moves all prices a step of `length` nano-dollars towards what `labels` takes too much or too little of; false when there is
    /// nowhere to go.
    pub(super) fn step(&mut self, labels: &[Label], length: f64) -> bool {
        let excess = |row: &Row| {
            let group = &self.groups[row.group];
            let taken: i64 = row.tasks.iter().map(|task| group.takes[*task][labels[*task] as usize]).sum();
            (taken - group.limit) as f64 / group.limit.max(1) as f64
        };
        // A price at zero does not fall.
        let steps: Vec<f64> =
            self.rows.iter().zip(&self.row_prices).map(|(row, price)| held(excess(row), *price)).collect();
        let money = self.budget.as_ref().map_or(0.0, |budget| {
            let over = (budget.money.value(labels) - budget.most) as f64 / budget.most.max(1) as f64;
            held(over, self.budget_price)
        });
        let square: f64 = steps.iter().map(|step| step * step).sum::<f64>() + money * money;
        if square == 0.0 {
            return false;
        }
        for ((row, price), step) in self.rows.iter().zip(&mut self.row_prices).zip(steps) {
            let group = &self.groups[row.group];
            let most = MOST_ADDED / group.takes.iter().flatten().copied().max().unwrap_or(1).max(1);
            *price = moved(*price, length * step / square / group.limit.max(1) as f64, most);
        }
        if let Some(budget) = &self.budget {
            let by = length * money / square / budget.most.max(1) as f64 * PARTS as f64;
            self.budget_price = moved(self.budget_price, by, MOST_TIMES * PARTS);
        }
        true
    }

    /// The prices as they are, to go back to.
    pub(super) fn prices(&self) -> (Vec<i64>, i64) {
        (self.row_prices.clone(), self.budget_price)
    }

    /// Goes back to prices; rows found since then have none.
    pub(super) fn set_prices(&mut self, (mut rows, budget): (Vec<i64>, i64)) {
        rows.resize(self.rows.len(), 0);
        (self.row_prices, self.budget_price) = (rows, budget);
    }
}

fn held(excess: f64, price: i64) -> f64 {
    if price == 0 { excess.max(0.0) } else { excess }
}

/// Most nano-dollars that a row adds to a label's cost, so that sums stay far from the end of the range.
const MOST_ADDED: i64 = 100_000_000_000_000;
/// Most that the budget's price multiplies money by.
const MOST_TIMES: i64 = 100;

fn moved(price: i64, by: f64, most: i64) -> i64 {
    (price as f64 + by).clamp(0.0, most as f64).round() as i64
}
