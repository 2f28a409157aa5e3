//! Exact costs on a forest: min-plus dynamic programming, up to the roots and down again.

use super::network::{Domains, FORBIDDEN, Label, Network, Work};
use super::search::Bound;

/// Whether the edges between variables with more than one place left form a forest.
#[must_use]
pub fn is_forest(network: &Network, domains: &Domains) -> bool {
    let mut root: Vec<usize> = (0..domains.len()).collect();
    network.edges.iter().filter(|edge| is_free(domains, edge.from) && is_free(domains, edge.to)).all(|edge| {
        let (from, to) = (find(&mut root, edge.from), find(&mut root, edge.to));
        root[from] = to;
        from != to
    })
}

fn find(root: &mut [usize], mut at: usize) -> usize {
    while root[at] != at {
        // Halving the path keeps later walks short.
        root[at] = root[root[at]];
        at = root[at];
    }
    at
}

fn is_free(domains: &Domains, variable: usize) -> bool {
    domains[variable].len() > 1
}

/// The least cost, the least with each label fixed, and a best assignment. `domains` must leave a forest and no variable
/// without a label.
pub(super) fn solve(network: &Network, domains: &Domains, work: &mut Work) -> Bound {
    let Rooted { order, mut belief, up, lower } = Rooted::new(network, domains, work);
    let places = choose(network, domains, &order, &belief);
    let mut message = vec![0; network.width()];
    for step in &order {
        let Some((edge, parent)) = step.parent else { continue };
        let child = step.variable;
        let mut rest = belief[parent].clone();
        domains[parent].iter().for_each(|label| rest[*label as usize] -= up[child][*label as usize]);
        let forward = network.edges[edge].from == parent;
        network.min_plus((edge, forward), &rest, (&domains[parent], &domains[child]), &mut message, work);
        add(&mut belief[child], &message, &domains[child]);
    }
    // A belief is the least of the variable's own tree; the other trees and the fixed part come on top.
    for (variable, row) in belief.iter_mut().enumerate() {
        let rest = lower - least(row, &domains[variable]);
        domains[variable].iter().for_each(|label| row[*label as usize] += rest);
    }
    Bound { lower, with: belief, places }
}

/// A forest's costs passed up to its roots.
struct Rooted {
    order: Vec<Step>,
    /// By variable and label: the least of everything below.
    belief: Vec<Vec<i64>>,
    /// By variable: what it passed to its parent.
    up: Vec<Vec<i64>>,
    lower: i64,
}

impl Rooted {
    fn new(network: &Network, domains: &Domains, work: &mut Work) -> Self {
        let (constant, mut belief) = fold(network, domains);
        let order = walk(network, domains);
        let mut up = vec![Vec::new(); domains.len()];
        for step in order.iter().rev() {
            let Some((edge, parent)) = step.parent else { continue };
            let mut message = vec![0; network.width()];
            let child = step.variable;
            let forward = network.edges[edge].from == child;
            let ends = (&domains[child][..], &domains[parent][..]);
            network.min_plus((edge, forward), &belief[child], ends, &mut message, work);
            add(&mut belief[parent], &message, &domains[parent]);
            up[child] = message;
        }
        let roots = order.iter().filter(|step| step.parent.is_none()).map(|step| step.variable);
        let lower = constant + roots.map(|root| least(&belief[root], &domains[root])).sum::<i64>();
        Self { order, belief, up, lower }
    }
}

fn least(row: &[i64], domain: &[Label]) -> i64 {
    domain.iter().map(|label| row[*label as usize]).min().unwrap_or(FORBIDDEN)
}

fn add(sum: &mut [i64], message: &[i64], places: &[Label]) {
    places.iter().for_each(|place| sum[*place as usize] += message[*place as usize]);
}

/// The cost of what is fixed, and the free variables' costs with their edges to fixed ones.
fn fold(network: &Network, domains: &Domains) -> (i64, Vec<Vec<i64>>) {
    let mut belief = network.unary.clone();
    let mut constant = 0;
    for (variable, domain) in domains.iter().enumerate().filter(|(_, domain)| domain.len() == 1) {
        constant += belief[variable][domain[0] as usize];
        belief[variable][domain[0] as usize] = 0;
    }
    for (at, edge) in network.edges.iter().enumerate() {
        let (from, to) = (&domains[edge.from], &domains[edge.to]);
        match (from.len(), to.len()) {
            (1, 1) => constant += network.pair(at, from[0], to[0]),
            (1, _) => to.iter().for_each(|to| belief[edge.to][*to as usize] += network.pair(at, from[0], *to)),
            (_, 1) => from.iter().for_each(|from| belief[edge.from][*from as usize] += network.pair(at, *from, to[0])),
            _ => {}
        }
    }
    (constant, belief)
}

/// A variable and the edge to its parent.
struct Step {
    variable: usize,
    parent: Option<(usize, usize)>,
}

/// Every variable after its parent, by free edges; a fixed one is a tree by itself.
fn walk(network: &Network, domains: &Domains) -> Vec<Step> {
    let mut seen = vec![false; domains.len()];
    let mut order: Vec<Step> = Vec::with_capacity(domains.len());
    for root in 0..domains.len() {
        if seen[root] {
            continue;
        }
        seen[root] = true;
        let mut at = order.len();
        order.push(Step { variable: root, parent: None });
        while at < order.len() {
            let variable = order[at].variable;
            at += 1;
            for edge in &network.touching[variable] {
                let ends = &network.edges[*edge];
                let other = if ends.from == variable { ends.to } else { ends.from };
                if is_free(domains, variable) && is_free(domains, other) && !seen[other] {
                    seen[other] = true;
                    order.push(Step { variable: other, parent: Some((*edge, variable)) });
                }
            }
        }
    }
    order
}

/// A best assignment, from the roots down.
fn choose(network: &Network, domains: &Domains, order: &[Step], belief: &[Vec<i64>]) -> Vec<Label> {
    let mut places = vec![0; domains.len()];
    for step in order {
        let variable = step.variable;
        let cost = |place: &&Label| {
            let own = belief[variable][**place as usize];
            let up = step.parent.map_or(0, |(edge, parent)| {
                if network.edges[edge].from == variable {
                    network.pair(edge, **place, places[parent])
                } else {
                    network.pair(edge, places[parent], **place)
                }
            });
            own + up
        };
        places[variable] = domains[variable].iter().min_by_key(cost).copied().unwrap_or_default();
    }
    places
}
