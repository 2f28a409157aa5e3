//! Good assignments from others: as many variables as that makes cheaper move to one label at once.
//!
//! Tasks with much data between them are only cheaper elsewhere together, which no move of one at a time finds.

use super::flow::{Flow, SINK, SOURCE};
use super::network::{Domains, Label, Network};

/// Times that every label is gone through.
const MOST_CYCLES: usize = 8;

/// An assignment to begin with: everything together in the best place for that, as far as it may be there.
pub(super) fn together(network: &Network, domains: &Domains) -> Vec<Label> {
    let own = |variable: usize| {
        let row = &network.unary[variable];
        domains[variable].iter().copied().min_by_key(|label| row[*label as usize]).unwrap_or_default()
    };
    let apart: Vec<Label> = (0..domains.len()).map(own).collect();
    let at = |label: Label| -> Vec<Label> {
        let there =
            |(domain, own): (&Vec<Label>, &Label)| if domain.binary_search(&label).is_ok() { label } else { *own };
        domains.iter().zip(&apart).map(there).collect()
    };
    let all = (0..network.width() as Label).map(at);
    all.min_by_key(|places| network.value(places)).unwrap_or_default()
}

/// A better assignment, or the same: for each label in turn, the best set of variables to move there (Boykov,
/// Veksler and Zabih, "Fast approximate energy minimization via graph cuts", 2001, the expansion move), until none helps.
pub(super) fn improved(network: &Network, domains: &Domains, places: &[Label], flow: &mut Flow) -> Vec<Label> {
    let mut best = (network.value(places), places.to_vec());
    let mut last = 0;
    for step in 0..MOST_CYCLES * network.width() {
        if step - last > network.width() {
            break;
        }
        let label = (step % network.width()) as Label;
        let moved = expanded(network, domains, &best.1, label, flow);
        if moved != best.1 {
            let cost = network.value(&moved);
            if cost < best.0 {
                best = (cost, moved);
                last = step;
            }
        }
    }
    best.1
}

/// The cheapest of all assignments in which each variable stays or moves to `label`; where moving two apart from each other saves
/// money, which a cut cannot say, only a good one.
fn expanded(network: &Network, domains: &Domains, places: &[Label], label: Label, flow: &mut Flow) -> Vec<Label> {
    let may = |variable: usize| places[variable] != label && domains[variable].binary_search(&label).is_ok();
    let movable: Vec<bool> = (0..places.len()).map(may).collect();
    flow.reset(places.len() + 2);
    // What moving each variable adds by itself.
    let mut rise: Vec<i64> = (0..places.len())
        .map(|variable| {
            let row = &network.unary[variable];
            if movable[variable] { row[label as usize] - row[places[variable] as usize] } else { 0 }
        })
        .collect();
    for (at, edge) in network.edges.iter().enumerate() {
        let (from, to) = (places[edge.from], places[edge.to]);
        let stay = network.pair(at, from, to);
        match (movable[edge.from], movable[edge.to]) {
            (true, true) => {
                let (first, second) = (network.pair(at, label, to), network.pair(at, from, label));
                let both = network.pair(at, label, label);
                rise[edge.from] += first - stay;
                rise[edge.to] += both - first;
                let apart = (first + second - stay - both).max(0);
                flow.add(edge.from + 2, edge.to + 2, apart);
            }
            (true, false) => rise[edge.from] += network.pair(at, label, to) - stay,
            (false, true) => rise[edge.to] += network.pair(at, from, label) - stay,
            (false, false) => {}
        }
    }
    if rise.iter().all(|rise| *rise >= 0) {
        return places.to_vec();
    }
    for (variable, rise) in rise.into_iter().enumerate().filter(|(variable, _)| movable[*variable]) {
        if rise > 0 {
            flow.add(SOURCE, variable + 2, rise);
        } else {
            flow.add(variable + 2, SINK, -rise);
        }
    }
    flow.send();
    let place = |variable: usize| {
        if movable[variable] && !flow.is_reached(variable + 2) { label } else { places[variable] }
    };
    (0..places.len()).map(place).collect()
}
