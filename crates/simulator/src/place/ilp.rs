//! Placement as a whole-number programme, solved by `microlp`: slow, and an oracle for the quick way.
//!
//! One variable for each task and offer, one for each edge and pair of offers, as in SkyPilot's optimiser (sky/optimizer.py,
//! `_optimize_by_ilp`), but with the products bound by sums along each side, which makes the relaxation tight. It sees each
//! offer by itself: no collapse by place, no classes of rates.

use microlp::{ComparisonOp, OptimizationDirection, Problem as Programme, Variable};
use planning::placement::Costs;

/// The offers a task may run on, each with its variable.
type Choices<'a> = &'a [(usize, Variable)];

/// Most variables of pairs that are tried.
const MOST_PAIRS: usize = 1_000_000;

/// The best offer of each task.
///
/// # Errors
/// When a task has no offer, the problem is too large, or the solver gives up.
pub fn solve(costs: &Costs) -> Result<Vec<usize>, String> {
    let mut programme = Programme::new(OptimizationDirection::Minimize);
    let mut chosen: Vec<Vec<(usize, Variable)>> = Vec::with_capacity(costs.task.len());
    for row in &costs.task {
        let allowed = row.iter().enumerate().filter_map(|(offer, cost)| Some((offer, cost.ok()?)));
        let variables: Vec<(usize, Variable)> =
            allowed.map(|(offer, cost)| (offer, programme.add_binary_var(dollars(cost)))).collect();
        if variables.is_empty() {
            return Err("a task has no offer".to_owned());
        }
        let sum: Vec<(Variable, f64)> = variables.iter().map(|(_, variable)| (*variable, 1.0)).collect();
        programme.add_constraint(&sum, ComparisonOp::Eq, 1.0);
        chosen.push(variables);
    }
    let pairs: usize = costs.edges.iter().map(|edge| chosen[edge.from].len() * chosen[edge.to].len()).sum();
    if pairs > MOST_PAIRS {
        return Err(format!("{pairs} pairs of offers are more than the {MOST_PAIRS} that the ilp solver is given"));
    }
    for (at, edge) in costs.edges.iter().enumerate() {
        add_edge(&mut programme, costs, at, (&chosen[edge.from], &chosen[edge.to]));
    }
    let solution = programme.solve().map_err(|error| error.to_string())?;
    let solution = solution.into_solution().map_err(|error| format!("{error:?}"))?;
    let offer = |variables: &Vec<(usize, Variable)>| {
        let most = variables.iter().max_by(|a, b| solution.var_value(a.1).total_cmp(&solution.var_value(b.1)));
        most.map_or(0, |(offer, _)| *offer)
    };
    Ok(chosen.iter().map(offer).collect())
}

/// A share of the edge for each pair; those with one end in common add up to that end's variable.
fn add_edge(programme: &mut Programme, costs: &Costs, edge: usize, (from, to): (Choices<'_>, Choices<'_>)) {
    let mut columns: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); to.len()];
    for (here, source) in from {
        let mut row = vec![(*source, -1.0)];
        for ((there, _), column) in to.iter().zip(&mut columns) {
            let pair = programme.add_var(dollars(costs.transfer(edge, *here, *there)), (0.0, 1.0));
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
