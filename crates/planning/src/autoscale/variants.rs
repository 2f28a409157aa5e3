//! Spreads a load over kinds of replicas of different price and speed.

/// One kind of replica.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Price an hour, in any one unit of money.
    pub price_per_hour: f64,
    /// Load that one carries.
    pub load: f64,
    /// Most that can be had.
    pub count_max: u32,
}

/// The cheapest counts that carry `load`; nothing when even all of them cannot.
///
/// Exact for the last unit of load: all kinds but the last used are filled in order of price per load, and every choice of
/// the kind that carries the rest is compared. llm-d's autoscaler adds on the cheapest variant and removes from the dearest
/// (<https://github.com/llm-d/llm-d-workload-variant-autoscaler>); this does both, and does not leave a large replica idle
/// where a small one would do.
#[must_use]
pub fn cheapest_mix(load: f64, variants: &[Variant]) -> Option<Vec<u32>> {
    let mut order: Vec<usize> = (0..variants.len()).filter(|kind| variants[*kind].load > 0.0).collect();
    let unit_price = |kind: usize| variants[kind].price_per_hour / variants[kind].load;
    order.sort_by(|left, right| unit_price(*left).total_cmp(&unit_price(*right)));
    let mut filled = vec![0; variants.len()];
    let mut best: Option<(f64, Vec<u32>)> = None;
    let mut rest = load;
    for (at, kind) in order.iter().copied().enumerate() {
        let whole = floor(rest / variants[kind].load).min(variants[kind].count_max);
        filled[kind] = whole;
        rest -= f64::from(whole) * variants[kind].load;
        for last in order[at..].iter().copied().chain(order[..at].iter().copied()) {
            let more = floor((rest / variants[last].load - 1e-9).ceil().max(0.0));
            let mut counts = filled.clone();
            counts[last] += more;
            let price: f64 =
                counts.iter().zip(variants).map(|(count, variant)| f64::from(*count) * variant.price_per_hour).sum();
            if counts[last] <= variants[last].count_max && best.as_ref().is_none_or(|(lowest, _)| price < *lowest) {
                best = Some((price, counts));
            }
        }
    }
    best.map(|(_, counts)| counts).or_else(|| (load <= 0.0).then(|| vec![0; variants.len()]))
}

fn floor(value: f64) -> u32 {
    (value + 1e-9).floor().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rest_goes_to_the_small_one() {
        let large = Variant { price_per_hour: 6.0, load: 10.0, count_max: 9 };
        let small = Variant { price_per_hour: 1.0, load: 1.0, count_max: 9 };
        assert_eq!(cheapest_mix(23.0, &[small, large]), Some(vec![3, 2]));
        assert_eq!(cheapest_mix(27.0, &[small, large]), Some(vec![0, 3]));
        assert_eq!(cheapest_mix(1_000.0, &[small, large]), None);
        assert_eq!(cheapest_mix(0.0, &[small, large]), Some(vec![0, 0]));
    }

    proptest! {
        #[test]
        fn what_is_found_carries_the_load_within_limits(
            load in 0.0_f64..60.0,
            kinds in proptest::collection::vec((0.1_f64..9.0, 0.2_f64..9.0, 0_u32..6), 1..5),
        ) {
            let variants: Vec<Variant> =
                kinds.into_iter().map(|(price_per_hour, load, count_max)| Variant { price_per_hour, load, count_max }).collect();
            let all: f64 = variants.iter().map(|variant| variant.load * f64::from(variant.count_max)).sum();
            match cheapest_mix(load, &variants) {
                Some(counts) => {
                    let carried: f64 = counts.iter().zip(&variants).map(|(count, variant)| f64::from(*count) * variant.load).sum();
                    prop_assert!(carried >= load - 1e-6);
                    prop_assert!(counts.iter().zip(&variants).all(|(count, variant)| *count <= variant.count_max));
                }
                None => prop_assert!(all < load + 1e-6),
            }
        }
    }
}
