//! Placement as a whole-number programme, solved by `microlp`: slow, and an oracle for the quick way.
//!
//! One variable for each task and offer, one for each edge and pair of offers, as in SkyPilot's optimiser (sky/optimizer.py,
//! `_optimize_by_ilp`), but with the products bound by sums along each side, which makes the relaxation tight. It sees each
//! offer by itself: no collapse by place, no classes of rates.

use microlp::{ComparisonOp, OptimizationDirection, Problem as Programme, Variable};
use planning::placement::cost::no_offer;
use planning::placement::{Costs, Problem};

/// The offers a task may run on, each with its variable.
type Choices<'a> = &'a [(usize, Variable)];

/// Most tasks with quotas: every set of them is looked at.
const MOST_TASKS: usize = 12;
/// Most variables of pairs that are tried.
const MOST_PAIRS: usize = 1_000_000;

/// The best offer of each task.
///
/// # Errors
/// When a task has no offer, the problem is too large, or the solver gives up.
pub fn solve(problem: &Problem, costs: &Costs) -> Result<Vec<usize>, String> {
    let mut programme = Programme::new(OptimizationDirection::Minimize);
    let mut chosen: Vec<Vec<(usize, Variable)>> = Vec::with_capacity(costs.task.len());
    for (task, row) in problem.tasks.iter().zip(&costs.task) {
        let allowed = row.iter().enumerate().filter_map(|(offer, cost)| Some((offer, cost.ok()?)));
        let variables: Vec<(usize, Variable)> =
            allowed.map(|(offer, cost)| (offer, programme.add_binary_var(dollars(cost)))).collect();
        if variables.is_empty() {
            return Err(no_offer(task, row).to_string());
        }
        let sum: Vec<(Variable, f64)> = variables.iter().map(|(_, variable)| (*variable, 1.0)).collect();
        programme.add_constraint(&sum, ComparisonOp::Eq, 1.0);
        chosen.push(variables);
    }
    if !problem.quotas.is_empty() && problem.tasks.len() > MOST_TASKS {
        return Err(format!("the ilp solver is given quotas for {MOST_TASKS} tasks at most"));
    }
    let pairs: usize = costs.edges.iter().map(|edge| chosen[edge.from].len() * chosen[edge.to].len()).sum();
    if pairs > MOST_PAIRS {
        return Err(format!("{pairs} pairs of offers are more than the {MOST_PAIRS} that the ilp solver is given"));
    }
    // Dollars alone, for the budget.
    let mut money: Vec<(Variable, f64)> = Vec::new();
    for (at, edge) in costs.edges.iter().enumerate() {
        add_edge(&mut programme, costs, at, (&chosen[edge.from], &chosen[edge.to]), &mut money);
    }
    if let Some(budget) = problem.budget_usd {
        for (task, (row, choices)) in problem.tasks.iter().zip(costs.task.iter().zip(&chosen)) {
            let waiting = |offer: usize| costs.transfers.fixed(task, costs.place_of[offer]).waiting;
            let bill =
                |(offer, variable): &(usize, Variable)| Some((*variable, dollars(row[*offer].ok()? - waiting(*offer))));
            money.extend(choices.iter().filter_map(bill));
        }
        programme.add_constraint(&money, ComparisonOp::Le, budget);
    }
    for (quota, together) in problem.quotas.iter().flat_map(|quota| sets(problem).map(move |set| (quota, set))) {
        let takes = |task: &usize| {
            let instances = problem.tasks[*task].instances;
            let units = |offer: usize| f64::from(quota.units(&problem.offers[offer])) * f64::from(instances);
            chosen[*task].iter().map(move |(offer, variable)| (*variable, units(*offer))).collect::<Vec<_>>()
        };
        let row: Vec<(Variable, f64)> = together.iter().flat_map(takes).filter(|(_, units)| *units > 0.0).collect();
        programme.add_constraint(&row, ComparisonOp::Le, f64::from(quota.limit));
    }
    let solution = programme.solve().map_err(|error| match error {
        // The other constraints always leave a plan.
        microlp::Error::Infeasible => {
            "no plan keeps the quotas that tasks share and the budget of the whole".to_owned()
        }
        other => other.to_string(),
    })?;
    let solution = solution.into_solution().map_err(|error| format!("{error:?}"))?;
    let offer = |variables: &Vec<(usize, Variable)>| {
        let most = variables.iter().max_by(|a, b| solution.var_value(a.1).total_cmp(&solution.var_value(b.1)));
        most.map_or(0, |(offer, _)| *offer)
    };
    Ok(chosen.iter().map(offer).collect())
}

/// Every set of tasks that no path of edges puts in order, by trying all of them.
fn sets(problem: &Problem) -> impl Iterator<Item = Vec<usize>> {
    let count = problem.tasks.len();
    let number = |name: &str| problem.tasks.iter().position(|task| task.name == name).unwrap_or_default();
    let mut before = vec![vec![false; count]; count];
    problem.edges.iter().for_each(|edge| before[number(&edge.from)][number(&edge.to)] = true);
    for middle in 0..count {
        for from in 0..count {
            for to in 0..count {
                before[from][to] |= before[from][middle] && before[middle][to];
            }
        }
    }
    let members = move |set: u32| (0..count).filter(move |task| set >> task & 1 == 1).collect::<Vec<usize>>();
    let all = (1_u32..1 << count).map(members);
    all.filter(move |set| set.iter().all(|a| set.iter().all(|b| !before[*a][*b])))
}

/// A share of the edge for each pair; those with one end in common add up to that end's variable.
fn add_edge(
    programme: &mut Programme,
    costs: &Costs,
    edge: usize,
    (from, to): (Choices<'_>, Choices<'_>),
    money: &mut Vec<(Variable, f64)>,
) {
    let mut columns: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); to.len()];
    for (here, source) in from {
        let mut row = vec![(*source, -1.0)];
        for ((there, _), column) in to.iter().zip(&mut columns) {
            let pair = programme.add_var(dollars(costs.transfer(edge, *here, *there)), (0.0, 1.0));
            let rate = costs.transfers.rate(costs.place_of[*here], costs.place_of[*there]);
            money.push((pair, dollars(costs.edges[edge].amounts.egress[rate])));
            row.push((pair, 1.0));
            column.push((pair, 1.0));
        }
        programme.add_constraint(&row, ComparisonOp::Eq, 0.0);
    }
    for ((_, destination), mut column) in to.iter().zip(columns) {
        column.push((*destination, -1.0));
        programme.add_constraint(&column, ComparisonOp::Eq, 0.0);
    }
}

fn dollars(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
