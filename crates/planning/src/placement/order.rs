//! Which tasks may run at once: those that no path of edges puts one before the other.

use super::flow::{Flow, SINK, SOURCE};

/// The order that edges put tasks in.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// By task: a bit for each task that runs after it.
    after: Vec<Vec<u64>>,
}

impl Order {
    /// Of `tasks` tasks, by edges that do not go round.
    pub(super) fn new(tasks: usize, edges: impl Iterator<Item = (usize, usize)> + Clone) -> Self {
        let (mut next, mut waits_for) = (vec![Vec::new(); tasks], vec![0_usize; tasks]);
        for (from, to) in edges {
            next[from].push(to);
            waits_for[to] += 1;
        }
        let mut sorted: Vec<usize> = (0..tasks).filter(|task| waits_for[*task] == 0).collect();
        let mut at = 0;
        while at < sorted.len() {
            for later in &next[sorted[at]] {
                waits_for[*later] -= 1;
                if waits_for[*later] == 0 {
                    sorted.push(*later);
                }
            }
            at += 1;
        }
        let mut after = vec![vec![0_u64; tasks.div_ceil(64)]; tasks];
        for task in sorted.into_iter().rev() {
            for later in &next[task] {
                let beyond = after[*later].clone();
                after[task].iter_mut().zip(beyond).for_each(|(bits, more)| *bits |= more);
                after[task][later / 64] |= 1 << (later % 64);
            }
        }
        Self { after }
    }

    /// Whether the two may run at once.
    pub(super) fn may_overlap(&self, one: usize, other: usize) -> bool {
        let before = |a: usize, b: usize| self.after[a][b / 64] >> (b % 64) & 1 == 1;
        one != other && !before(one, other) && !before(other, one)
    }

    /// The most weight of tasks that may all run at once, and those tasks: a heaviest antichain. By Dilworth's theorem it weighs
    /// as much as the fewest chains that cover each task as often as its weight ("A decomposition theorem for partially ordered
    /// sets", 1950), and those are a matching of tasks with later ones, which is a flow.
    pub(super) fn heaviest(&self, weights: &[(usize, i64)], flow: &mut Flow) -> (i64, Vec<usize>) {
        let count = weights.len();
        flow.reset(2 + 2 * count);
        for (at, (task, weight)) in weights.iter().enumerate() {
            flow.add(SOURCE, 2 + at, *weight);
            flow.add(2 + count + at, SINK, *weight);
            for (other, (later, _)) in weights.iter().enumerate() {
                if self.after[*task][later / 64] >> (later % 64) & 1 == 1 {
                    flow.add(2 + at, 2 + count + other, i64::MAX / 4);
                }
            }
        }
        let whole: i64 = weights.iter().map(|(_, weight)| weight).sum();
        let heaviest = whole - flow.send();
        // What the cut leaves untouched on both sides has no chain in common.
        let is_free = |at: &usize| flow.is_reached(2 + at) && !flow.is_reached(2 + count + at);
        (heaviest, (0..count).filter(is_free).map(|at| weights[at].0).collect())
    }
}
