//! The search for the cheapest allocation: steps of one change, from a few first guesses; bounded, not exhaustive.

use super::allocation::{Allocation, Outlook};

/// Most rounds of improvement with steps of one size; each changes one thing.
const MAX_ROUNDS: usize = 32;
/// Most passes over all sizes of steps.
const MAX_PASSES: usize = 4;
/// The search goes on from this many of its first guesses, and pairs this many of the best steps down and up.
const STARTS_KEPT: usize = 6;
const STEPS_PAIRED: usize = 4;
/// Pairs and single ones of this many of the calmest zones are among the guesses.
const ZONES_PAIRED: usize = 4;
/// No more than this many times the wanted replicas are held.
const MOST_HELD: u32 = 3;
/// Steps begin at the replicas over this, and are halved down to one.
const FIRST_STEP: u32 = 2;

/// The cheapest allocation that the search finds: steps of one change, from what was aimed at before and from the best of
/// a few first guesses. Not always the cheapest there is; a test compares the two.
#[must_use]
pub fn cheapest(outlook: &Outlook, before: &Allocation) -> Allocation {
    let spot = before.spot.iter().zip(&outlook.capacity).map(|(aimed, capacity)| *aimed.min(capacity)).collect();
    let fitted = Allocation { spot, on_demand: before.on_demand };
    let mut starts: Vec<(f64, Allocation)> =
        guesses(outlook).into_iter().map(|guess| (outlook.cost(&guess), guess)).collect();
    starts.sort_by(|left, right| left.0.total_cmp(&right.0));
    starts.truncate(STARTS_KEPT);
    starts.push((outlook.cost(&fitted), fitted.clone()));
    let climbed = starts.into_iter().map(|(cost, start)| improve(outlook, start, cost));
    climbed.min_by(|left, right| left.0.total_cmp(&right.0)).map_or(fitted, |(_, allocation)| allocation)
}

/// On-demand alone, then the calmest zone, the two calmest, and so on, and each pair of the few calmest; each with enough
/// to stand in for the loss of one.
fn guesses(outlook: &Outlook) -> Vec<Allocation> {
    let wanted = outlook.goal.replicas;
    let mut calm: Vec<usize> = (0..outlook.capacity.len()).filter(|zone| outlook.capacity[*zone] > 0).collect();
    calm.sort_by(|left, right| outlook.zones[*left].drops.total_cmp(&outlook.zones[*right].drops));
    let guess = |used: &[usize]| {
        let each = wanted.div_ceil((used.len() as u32).saturating_sub(1).max(1));
        let mut guess = Allocation { spot: vec![0; outlook.capacity.len()], on_demand: 0 };
        for zone in used {
            guess.spot[*zone] = outlook.capacity[*zone].min(each);
        }
        guess.on_demand = wanted.saturating_sub(guess.total());
        guess
    };
    let few = &calm[..calm.len().min(ZONES_PAIRED)];
    let pairs = few.iter().enumerate().flat_map(|(at, one)| few[..at].iter().map(|other| [*one, *other]));
    let singles = few.iter().map(|zone| guess(&[*zone]));
    (0..=calm.len()).map(|used| guess(&calm[..used])).chain(singles).chain(pairs.map(|pair| guess(&pair))).collect()
}

/// Steps of each size, the largest first; all over again while that helps.
fn improve(outlook: &Outlook, mut best: Allocation, mut cost: f64) -> (f64, Allocation) {
    for _ in 0..MAX_PASSES {
        let before = cost;
        let mut size = (outlook.goal.replicas / FIRST_STEP).max(1);
        while size > 0 {
            for _ in 0..MAX_ROUNDS {
                match best_step(outlook, &best, size) {
                    Some((lower, step)) if lower < cost - 1e-9 => {
                        cost = lower;
                        step.apply(&mut best, true);
                    }
                    _ => break,
                }
            }
            size /= 2;
        }
        if cost >= before {
            break;
        }
    }
    (cost, best)
}

/// Some instances less in one place, as many more in another, or one of both. Index `zones` stands for on-demand.
#[derive(Debug, Clone, Copy)]
struct Step {
    less: Option<usize>,
    more: Option<usize>,
    size: u32,
}

impl Step {
    fn apply(self, allocation: &mut Allocation, forth: bool) {
        let (less, more) = if forth { (self.less, self.more) } else { (self.more, self.less) };
        for (place, up) in [(less, false), (more, true)] {
            let Some(place) = place else { continue };
            let count = allocation.spot.get_mut(place).unwrap_or(&mut allocation.on_demand);
            *count = if up { *count + self.size } else { count.saturating_sub(self.size) };
        }
    }
}

/// The step that costs least of all steps down, all steps up, and the best few of both taken together.
fn best_step(outlook: &Outlook, from: &Allocation, size: u32) -> Option<(f64, Step)> {
    let place = |place: usize| match from.spot.get(place) {
        Some(held) => (*held, outlook.capacity[place]),
        None => (from.on_demand, outlook.goal.replicas),
    };
    let places = || 0..=from.spot.len();
    let mut trial = from.clone();
    let mut tried = |less: Option<usize>, more: Option<usize>| {
        let down = less.map_or(size, |less| place(less).0);
        let up = more.map_or(size, |more| place(more).1.saturating_sub(place(more).0));
        let step = Step { less, more, size: size.min(down).min(up) };
        step.apply(&mut trial, true);
        let cost = outlook.cost(&trial);
        step.apply(&mut trial, false);
        (cost, step)
    };
    let order = |left: &(f64, Step), right: &(f64, Step)| left.0.total_cmp(&right.0);
    let mut down: Vec<_> = places().filter(|at| place(*at).0 > 0).map(|at| tried(Some(at), None)).collect();
    let mut up: Vec<_> = places().filter(|at| place(*at).0 < place(*at).1).map(|at| tried(None, Some(at))).collect();
    down.sort_by(order);
    up.sort_by(order);
    let mut moves = Vec::with_capacity(STEPS_PAIRED * STEPS_PAIRED);
    for (_, less) in down.iter().take(STEPS_PAIRED) {
        for (_, more) in up.iter().take(STEPS_PAIRED).filter(|(_, more)| more.more != less.less) {
            moves.push(tried(less.less, more.more));
        }
    }
    if from.total() >= MOST_HELD * outlook.goal.replicas {
        up.clear();
    }
    down.into_iter().chain(up).chain(moves).min_by(order)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::super::serving::ServingGoal;
    use super::super::together::ZoneOutlook;
    use super::*;

    fn drawn(rng: &mut StdRng) -> Outlook {
        let zone = |rng: &mut StdRng| {
            let all = rng.random_range(0.1..0.9);
            let left = vec![(0, all), (1, (1.0 - all) / 3.0), (2, (1.0 - all) / 3.0), (3, (1.0 - all) / 3.0)];
            let follows = (0..3).map(|_| rng.random_range(0.0..0.3)).collect();
            ZoneOutlook { drops: 10.0_f64.powf(rng.random_range(-3.5..-1.0)), again: 0.05, left, follows }
        };
        Outlook {
            goal: ServingGoal { replicas: 4, cold_start_s: 183.0, price_ratio: 0.3, target_availability: 0.999 },
            zones: (0..3).map(|_| zone(rng)).collect(),
            capacity: (0..3).map(|_| [0, 2, 4, 4][rng.random_range(0..4)]).collect(),
            worth: 10.0_f64.powf(rng.random_range(0.5..4.0)),
            held: Allocation { spot: vec![0; 3], on_demand: 0 },
        }
    }

    /// Every allocation there is, of four replicas over three zones.
    fn exhaustive(outlook: &Outlook) -> f64 {
        let mut least = f64::INFINITY;
        for at in 0..5_u32.pow(4) {
            let counts = [at % 5, at / 5 % 5, at / 25 % 5, at / 125];
            if counts.iter().zip(&outlook.capacity).all(|(held, most)| held <= most) {
                least = least.min(outlook.cost(&Allocation { spot: counts[..3].to_vec(), on_demand: counts[3] }));
            }
        }
        least
    }

    #[test]
    fn the_search_finds_what_trying_everything_finds() {
        for seed in 0..300 {
            let outlook = drawn(&mut StdRng::seed_from_u64(seed));
            let found = outlook.cost(&cheapest(&outlook, &outlook.held));
            let least = exhaustive(&outlook);
            assert!(found <= least * 1.04 + 1e-9, "seed {seed}: {found} against {least}");
        }
    }

    #[test]
    fn more_worth_never_gives_more_short_share() {
        for seed in 0..300 {
            let mut outlook = drawn(&mut StdRng::seed_from_u64(seed));
            let mut before = f64::INFINITY;
            for _ in 0..6 {
                let share = outlook.short_share(&cheapest(&outlook, &outlook.held));
                assert!(share <= before + 1e-9, "seed {seed}: {share} after {before} at {}", outlook.worth);
                (before, outlook.worth) = (share, outlook.worth * 4.0);
            }
        }
    }

    #[test]
    fn another_instance_never_gives_more_short_share() {
        for seed in 0..300 {
            let rng = &mut StdRng::seed_from_u64(seed);
            let outlook = drawn(rng);
            let mut held = Allocation { spot: vec![2, 2, 2], on_demand: rng.random_range(0..3) };
            let share = outlook.short_share(&held);
            held.on_demand += 1;
            assert!(outlook.short_share(&held) <= share + 1e-12, "seed {seed}");
        }
    }
}
