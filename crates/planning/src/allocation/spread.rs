//! The arithmetic of spreading: a water level, what stays under it, and where the rest goes.

use super::eligibility::Candidate;

/// Replicas for each candidate, in the order of `candidates`. The sum is `replicas`, or all the room there is.
pub(super) fn spread(replicas: u32, candidates: &[Candidate]) -> Vec<u32> {
    let rooms: Vec<u32> = candidates.iter().map(|candidate| candidate.room).collect();
    let level = water_level(replicas, &rooms);
    let most = |index: usize| rooms[index].min(level);
    let mut counts: Vec<u32> =
        candidates.iter().enumerate().map(|(index, candidate)| candidate.placed.min(most(index))).collect();
    let mut total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    while total > u64::from(replicas) {
        let Some(fullest) = fullest(candidates, &counts) else { break };
        counts[fullest] -= 1;
        total -= 1;
    }
    while total < u64::from(replicas) {
        let Some(emptiest) = emptiest(candidates, &counts, &most) else { break };
        counts[emptiest] += 1;
        total += 1;
    }
    counts
}

/// The least count `level` such that sites filled up to `level`, or to their room, hold all replicas; the largest room
/// when nothing holds them all. With room enough everywhere it is ⌈replicas ÷ sites⌉.
fn water_level(replicas: u32, rooms: &[u32]) -> u32 {
    let holds = |level: u32| rooms.iter().map(|room| u64::from(*room.min(&level))).sum::<u64>() >= u64::from(replicas);
    let (mut low, mut high) = (0, rooms.iter().copied().max().unwrap_or(0));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Where one is taken away first: the fullest, the dearest of those, the last in order of those.
fn fullest(candidates: &[Candidate], counts: &[u32]) -> Option<usize> {
    (0..counts.len())
        .filter(|index| counts[*index] > 0)
        .max_by_key(|index| (counts[*index], candidates[*index].price_per_hour, *index))
}

/// Where one is added first: the emptiest, the cheapest of those, the first in order of those.
fn emptiest(candidates: &[Candidate], counts: &[u32], most: &impl Fn(usize) -> u32) -> Option<usize> {
    (0..counts.len())
        .filter(|index| counts[*index] < most(*index))
        .min_by_key(|index| (counts[*index], candidates[*index].price_per_hour, *index))
}
