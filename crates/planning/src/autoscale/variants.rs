//! Spreads a load over kinds of replicas of different price and speed.

/// One kind of replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Price an hour, in any one unit of money; one that is negative or no number rules the kind out.
    pub price_per_hour: f64,
    /// Load that one carries; one that is not positive rules the kind out.
    pub load: f64,
    /// Most that can be had.
    pub count_max: u32,
}

/// How many of each kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Counts, in the order of the kinds.
    pub counts: Vec<u32>,
    /// Their price an hour.
    pub price_per_hour: f64,
    /// Whether nothing is cheaper. False only when the search was cut off.
    pub proven: bool,
}

/// Most choices looked at. Eight kinds at random need some hundreds.
const CHOICES_MAX: u32 = 1_000_000;
/// A load that is short by this share is carried.
const ROUNDING: f64 = 1e-9;

/// The cheapest counts that carry `load`; nothing when even all of them cannot.
///
/// Branch and bound over the kinds in order of price per load: the bound is the price of the rest when replicas could be
/// cut into pieces, which fills the cheapest kinds first (Dantzig's bound for the knapsack problem, "Discrete-Variable
/// Extremum Problems", 1957). llm-d's autoscaler adds on the cheapest variant and removes from the dearest
/// (<https://github.com/llm-d/llm-d-workload-variant-autoscaler>); that is where the search begins, and what it improves on
/// where a small replica does for the rest.
#[must_use]
pub fn cheapest_mix(load: f64, variants: &[Variant]) -> Option<Mix> {
    let usable = |variant: &Variant| variant.load > 0.0 && variant.price_per_hour >= 0.0 && variant.count_max > 0;
    let mut order: Vec<usize> = (0..variants.len()).filter(|kind| usable(&variants[*kind])).collect();
    let unit_price = |kind: usize| variants[kind].price_per_hour / variants[kind].load;
    order.sort_by(|left, right| unit_price(*left).total_cmp(&unit_price(*right)));
    let kinds: Vec<Variant> = order.iter().map(|kind| variants[*kind]).collect();
    let mut search = Search { kinds: &kinds, counts: vec![0; kinds.len()], best: None, choices: 0 };
    search.look(0, load.max(0.0) * (1.0 - ROUNDING), 0.0);
    let proven = search.choices < CHOICES_MAX;
    let (price_per_hour, found) = search.best?;
    let mut counts = vec![0; variants.len()];
    order.iter().zip(found).for_each(|(kind, count)| counts[*kind] = count);
    Some(Mix { counts, price_per_hour, proven })
}

struct Search<'a> {
    /// In order of price per load.
    kinds: &'a [Variant],
    counts: Vec<u32>,
    best: Option<(f64, Vec<u32>)>,
    choices: u32,
}

impl Search<'_> {
    /// Tries every count of the kinds from `at` on that may yet be cheaper than the best.
    fn look(&mut self, at: usize, rest: f64, price: f64) {
        if rest <= 0.0 {
            if self.is_cheaper(price) {
                self.best = Some((price, self.counts.clone()));
            }
            return;
        }
        let Some(kind) = self.kinds.get(at).copied() else { return };
        // A float-to-integer `as` saturates, which is what a count wants.
        let enough = (rest / kind.load).ceil() as u32;
        for count in (0..=enough.min(kind.count_max)).rev() {
            if self.choices >= CHOICES_MAX {
                return;
            }
            self.choices += 1;
            let (rest, price) = (rest - f64::from(count) * kind.load, price + f64::from(count) * kind.price_per_hour);
            if self.bound(at + 1, rest).is_some_and(|more| self.is_cheaper(price + more)) {
                self.counts[at] = count;
                self.look(at + 1, rest, price);
                self.counts[at] = 0;
            } else if rest >= 0.0 {
                // Fewer of the cheapest kind only make the bound dearer.
                return;
            }
        }
    }

    fn is_cheaper(&self, price: f64) -> bool {
        self.best.as_ref().is_none_or(|(lowest, _)| price < *lowest)
    }

    /// The least that `rest` costs on the kinds from `at` on; nothing when they cannot carry it.
    fn bound(&self, at: usize, mut rest: f64) -> Option<f64> {
        let mut price = 0.0;
        for kind in self.kinds.get(at..)? {
            if rest <= 0.0 {
                break;
            }
            let count = (rest / kind.load).min(f64::from(kind.count_max));
            price += count * kind.price_per_hour;
            rest -= count * kind.load;
        }
        // What is left by rounding is nothing.
        (rest <= 1e-12).then_some(price)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(load: f64, variants: &[Variant]) -> Option<Vec<u32>> {
        cheapest_mix(load, variants).map(|mix| mix.counts)
    }

    #[test]
    fn the_rest_goes_to_the_small_one() {
        let large = Variant { price_per_hour: 6.0, load: 10.0, count_max: 9 };
        let small = Variant { price_per_hour: 1.0, load: 1.0, count_max: 9 };
        assert_eq!(counts(23.0, &[small, large]), Some(vec![3, 2]));
        assert_eq!(counts(27.0, &[small, large]), Some(vec![0, 3]));
        assert_eq!(counts(1_000.0, &[small, large]), None);
        assert_eq!(counts(0.0, &[small, large]), Some(vec![0, 0]));
    }

    #[test]
    fn two_of_the_second_best_beat_one_of_the_best_and_a_dear_rest() {
        let kind = |price_per_hour, load| Variant { price_per_hour, load, count_max: 9 };
        // Filling the cheapest per load first takes one of 7 and leaves 3, which costs a second one: 14 in all.
        assert_eq!(counts(10.0, &[kind(7.0, 7.0), kind(5.5, 5.0)]), Some(vec![0, 2]));
    }

    #[test]
    fn a_kind_that_is_no_kind_is_left_out() {
        let good = Variant { price_per_hour: 2.0, load: 1.0, count_max: 3 };
        let odd = [(f64::NAN, 1.0), (1.0, f64::NAN), (-1.0, 1.0), (1.0, 0.0)].map(|(price_per_hour, load)| Variant {
            price_per_hour,
            load,
            count_max: 3,
        });
        let all: Vec<Variant> = odd.into_iter().chain([good]).collect();
        assert_eq!(counts(2.0, &all), Some(vec![0, 0, 0, 0, 2]));
    }

    /// Every combination of counts.
    fn by_brute_force(load: f64, kinds: &[Variant]) -> Option<f64> {
        let Some((kind, others)) = kinds.split_first() else { return (load <= 1e-7).then_some(0.0) };
        let with = |count: u32| {
            let rest = by_brute_force(load - f64::from(count) * kind.load, others)?;
            Some(rest + f64::from(count) * kind.price_per_hour)
        };
        (0..=kind.count_max).filter_map(with).min_by(f64::total_cmp)
    }

    proptest! {
        #[test]
        fn it_costs_what_the_best_of_all_combinations_costs(
            load in 0.0_f64..40.0,
            kinds in proptest::collection::vec((0.0_f64..9.0, 0.2_f64..9.0, 0_u32..6), 1..5),
        ) {
            let variants: Vec<Variant> =
                kinds.into_iter().map(|(price_per_hour, load, count_max)| Variant { price_per_hour, load, count_max }).collect();
            let (mix, best) = (cheapest_mix(load, &variants), by_brute_force(load, &variants));
            prop_assert_eq!(mix.is_some(), best.is_some());
            if let (Some(mix), Some(best)) = (mix, best) {
                prop_assert!(mix.proven);
                prop_assert!((mix.price_per_hour - best).abs() < 1e-6, "{} instead of {best}", mix.price_per_hour);
                let carried: f64 = mix.counts.iter().zip(&variants).map(|(count, variant)| f64::from(*count) * variant.load).sum();
                prop_assert!(carried >= load - 1e-6);
                prop_assert!(mix.counts.iter().zip(&variants).all(|(count, variant)| *count <= variant.count_max));
            }
        }

        #[test]
        fn eight_kinds_and_hundreds_of_replicas_are_proven(
            load in 0.0_f64..900.0,
            kinds in proptest::collection::vec((0.1_f64..9.0, 0.2_f64..9.0, 1_u32..200), 8),
        ) {
            let variants: Vec<Variant> =
                kinds.into_iter().map(|(price_per_hour, load, count_max)| Variant { price_per_hour, load, count_max }).collect();
            prop_assert!(cheapest_mix(load, &variants).is_none_or(|mix| mix.proven));
        }
    }
}
