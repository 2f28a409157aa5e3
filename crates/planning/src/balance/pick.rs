//! Draws two of those who may take the request and takes the better: the power of two choices (Mitzenmacher, 2001),
//! which keeps many gateways with old news from all running to the same replica.

use rand::Rng;

use super::filter::{Exclusions, exclusion};
use super::score::{Weights, expected_seconds};
use super::{Candidate, Exclusion};

/// One request in so many goes to any that may take it, so that a replica once slow is measured again.
const EXPLORE_ONE_IN: u32 = 100;
/// Scores closer than this are equal, and equals are drawn.
pub(super) const TIE_SECONDS: f64 = 1e-6;

/// Who takes the request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// Its place among the candidates.
    pub index: usize,
    /// The seconds it is expected to take.
    pub expected_seconds: f64,
    /// Nobody may take it, and this one is the least bad: why it should not.
    pub despite: Option<Exclusion>,
}

/// Chooses a replica. An error when every one is draining, or there is none.
pub fn choose_replica<R: Rng>(candidates: &[Candidate], weights: &Weights, rng: &mut R) -> Result<Pick, Exclusions> {
    let eligible = candidates.iter().filter(|candidate| exclusion(candidate).is_none()).count();
    let peer_seconds = worst_service(candidates).unwrap_or(weights.prior_service_seconds);
    let score = |index: usize| expected_seconds(&candidates[index], peer_seconds, weights);
    if eligible == 0 {
        let (index, despite) = least_bad(candidates).ok_or_else(|| Exclusions::of(candidates))?;
        return Ok(Pick { index, expected_seconds: score(index), despite: Some(despite) });
    }
    let first = nth_eligible(candidates, rng.random_range(0..eligible));
    let taken = |index| Pick { index, expected_seconds: score(index), despite: None };
    if eligible == 1 || rng.random_range(0..EXPLORE_ONE_IN) == 0 {
        return Ok(taken(first));
    }
    let second = nth_eligible_but(candidates, rng.random_range(0..eligible - 1), first);
    let (a, b) = (taken(first), taken(second));
    let tied = (a.expected_seconds - b.expected_seconds).abs() < TIE_SECONDS;
    // The first was drawn at random: taking it on a tie is a random tie-break.
    Ok(if tied || a.expected_seconds < b.expected_seconds { a } else { b })
}

pub(super) fn worst_service(candidates: &[Candidate]) -> Option<f64> {
    candidates.iter().filter_map(|candidate| candidate.service_seconds).reduce(f64::max)
}

fn nth_eligible(candidates: &[Candidate], n: usize) -> usize {
    nth_eligible_but(candidates, n, usize::MAX)
}

fn nth_eligible_but(candidates: &[Candidate], n: usize, but: usize) -> usize {
    let mut may = candidates.iter().enumerate().filter(|(i, candidate)| *i != but && exclusion(candidate).is_none());
    may.nth(n).map_or(0, |(index, _)| index)
}

/// The one to use when all are excluded: one put aside before one that failed this request, before one that does not
/// answer; among equals the one whose time is nearest, then the one with least in flight. Never one that drains.
pub(super) fn least_bad(candidates: &[Candidate]) -> Option<(usize, Exclusion)> {
    let badness = |(index, candidate): (usize, &Candidate)| {
        let reason = exclusion(candidate)?;
        let rank = match reason {
            Exclusion::Ejected => 0_u8,
            Exclusion::Tried => 1,
            Exclusion::Down => 2,
            Exclusion::Draining | Exclusion::Residency | Exclusion::Window => return None,
        };
        let load = candidate.in_flight;
        Some(((rank, candidate.tried, candidate.ejected_ms.unwrap_or(0), load, index), reason))
    };
    candidates.iter().enumerate().filter_map(badness).min_by_key(|(key, _)| *key).map(|(key, reason)| (key.4, reason))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::super::{Health, Report};
    use super::*;

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        let health = prop_oneof![Just(Health::Unknown), Just(Health::Up), Just(Health::Down)];
        (health, any::<bool>(), proptest::option::of(0_u64..9_000), any::<bool>(), 0_u32..40, 0_u32..40).prop_map(
            |(health, draining, ejected_ms, tried, in_flight, running)| Candidate {
                health,
                draining,
                ejected_ms,
                tried,
                in_flight,
                report: Some(Report { running, waiting: 0, parallel: 4, own_in_flight: 0 }),
                ..Candidate::default()
            },
        )
    }

    proptest! {
        #[test]
        fn only_draining_empties_the_pool(candidates in proptest::collection::vec(any_candidate(), 0..12), seed: u64) {
            let picked = choose_replica(&candidates, &Weights::default(), &mut SmallRng::seed_from_u64(seed));
            match picked {
                Ok(pick) => {
                    let chosen = &candidates[pick.index];
                    prop_assert!(!chosen.draining);
                    let someone_may = candidates.iter().any(|c| exclusion(c).is_none());
                    prop_assert_eq!(pick.despite.is_none(), someone_may);
                    prop_assert_eq!(exclusion(chosen), pick.despite);
                }
                Err(reasons) => {
                    prop_assert!(candidates.iter().all(|c| c.draining));
                    prop_assert_eq!(reasons.draining as usize, candidates.len());
                }
            }
        }

        #[test]
        fn two_choices_keep_the_busiest_least_used(seed: u64) {
            let busy = Candidate { in_flight: 30, ..Candidate::default() };
            let candidates = [busy, Candidate::default(), Candidate::default()];
            let mut rng = SmallRng::seed_from_u64(seed);
            let to_busy = (0..1_000)
                .filter(|_| choose_replica(&candidates, &Weights::default(), &mut rng).expect("a replica").index == 0)
                .count();
            // Only exploration reaches it: a third of one in a hundred.
            prop_assert!(to_busy < 30, "{}", to_busy);
        }
    }

    #[test]
    fn equals_share_alike() {
        let candidates = [Candidate::default(); 4];
        let mut rng = SmallRng::seed_from_u64(5);
        let mut counts = [0_u32; 4];
        for _ in 0..4_000 {
            counts[choose_replica(&candidates, &Weights::default(), &mut rng).expect("a replica").index] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_least_bad_is_the_one_back_soonest() {
        let aside = |ms| Candidate { ejected_ms: Some(ms), ..Candidate::default() };
        let down = Candidate { health: Health::Down, ..Candidate::default() };
        let mut rng = SmallRng::seed_from_u64(1);
        let pick = choose_replica(&[down, aside(900), aside(50)], &Weights::default(), &mut rng).expect("one is left");
        assert_eq!((pick.index, pick.despite), (2, Some(Exclusion::Ejected)));
    }
}
