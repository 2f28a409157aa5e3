//! Accelerators: what fits, the cheapest mix, packing and sharing.

use planning::gpu::{
    Accelerator, Item, Machine, MixError, ModelShape, Partition, Precision, ShareError, Tenant, cheapest_mix, pack,
    share,
};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;

/// Llama 3.1 8B: 32 layers, 8 heads of keys and values, each 128 wide.
const EIGHT_B: ModelShape = ModelShape {
    parameters: 8_030_261_248,
    weights: Precision::Half,
    layers: 32,
    kv_heads: 8,
    head_width: 128,
    cache: Precision::Half,
};

#[test]
fn memory_of_a_known_model() {
    assert_eq!(EIGHT_B.weight_bytes(), 16_060_522_496);
    // 2 tensors × 32 × 8 × 128 × 2 bytes: the 128 KiB per token that is known of it.
    assert_eq!(EIGHT_B.cache_bytes_per_token(), 128 << 10);
    assert_eq!(EIGHT_B.serving_bytes(8_192, 4), 16_060_522_496 + 4 * GIB);
    // 24 GiB: 0.9 × 24 GiB leaves 6.64 GiB beside the weights, so six sequences of 1 GiB.
    assert_eq!(EIGHT_B.largest_batch(24 * GIB, 1, 8_192), 6);
    assert!(!EIGHT_B.fits(16 * GIB, 1, 8_192, 1) && EIGHT_B.fits(16 * GIB, 2, 8_192, 1));
    assert_eq!(ModelShape { weights: Precision::FourBit, ..EIGHT_B }.weight_bytes(), 4_517_021_952);
}

proptest! {
    #[test]
    fn more_memory_never_holds_fewer(gib in 1_u64..640, devices in 1_u64..17, context in 1_u64..200_000) {
        let batch = EIGHT_B.largest_batch(gib * GIB, devices, context);
        prop_assert!(EIGHT_B.largest_batch((gib + 1) * GIB, devices, context) >= batch);
        prop_assert!(EIGHT_B.largest_batch(gib * GIB, devices, context + 1) <= batch);
        if batch > 0 && devices == 1 {
            prop_assert!(EIGHT_B.serving_bytes(context, batch) <= gib * GIB);
            prop_assert!(!EIGHT_B.fits(gib * GIB, 1, context, batch + 1));
        }
    }

    #[test]
    fn no_other_mix_is_cheaper(
        prices in proptest::collection::vec(1_i64..1_000, 1..4),
        rates in proptest::collection::vec(0_u32..8, 9),
        slices in proptest::collection::vec((0_usize..3, 1_u32..12), 1..7),
        most in 1_u32..6,
    ) {
        let types: Vec<Accelerator> = prices.iter().enumerate().map(|(at, price)| Accelerator {
            price: *price,
            rate: (0..3).map(|size| f64::from(rates[at * 3 + size])).collect(),
            available: most,
            risk: 0.0,
        }).collect();
        let loads: Vec<(usize, f64)> = slices.iter().map(|(size, rate)| (*size, f64::from(*rate))).collect();
        let best = every_mix(&types, &slices);
        match cheapest_mix(&types, &loads) {
            Ok(mix) => {
                prop_assert_eq!(Some(mix.price), best);
                prop_assert_eq!(mix.lower_bound, mix.price);
                let bought: i64 = mix.counts.iter().zip(&types).map(|(count, of)| i64::from(*count) * of.price).sum();
                prop_assert_eq!(bought, mix.price);
            }
            Err(_) => prop_assert_eq!(best, None),
        }
    }

    #[test]
    fn packing_never_overfills_and_keeps_gangs_whole(
        machines in proptest::collection::vec((1_u32..9, 1_u64..4, 0_u32..3), 1..8),
        items in proptest::collection::vec((1_u32..9, 1_u64..4, 1_u32..5, any::<bool>()), 0..12),
    ) {
        let machines: Vec<Machine> = machines.into_iter()
            .map(|(accelerators, memory_bytes, domain)| Machine { accelerators, memory_bytes, domain }).collect();
        let items: Vec<Item> = items.into_iter()
            .map(|(accelerators, memory_bytes, members, one_domain)| Item { accelerators, memory_bytes, members, one_domain })
            .collect();
        let packing = pack(&machines, &items).unwrap();
        let mut used = vec![0; machines.len()];
        for (item, placed) in items.iter().zip(&packing.machines) {
            let Some(placed) = placed else { continue };
            prop_assert_eq!(placed.len(), item.members as usize);
            for at in placed {
                used[*at] += item.accelerators;
                prop_assert!(machines[*at].memory_bytes >= item.memory_bytes);
                prop_assert!(!item.one_domain || machines[*at].domain == machines[placed[0]].domain);
            }
        }
        prop_assert!(used.iter().zip(&machines).all(|(used, machine)| *used <= machine.accelerators));
        // Who was left out would not fit now either, one at a time, since room only shrinks.
        for (item, placed) in items.iter().zip(&packing.machines).filter(|(_, placed)| placed.is_none()) {
            let left: Vec<Machine> = machines.iter().zip(&used)
                .map(|(machine, used)| Machine { accelerators: machine.accelerators - used, ..machine.clone() }).collect();
            prop_assert!(placed.is_none() && pack(&left, std::slice::from_ref(item)).unwrap().machines[0].is_none());
        }
    }
}

/// The least price over every way to hand out the slices, with loads as exact fractions.
fn every_mix(types: &[Accelerator], slices: &[(usize, u32)]) -> Option<i64> {
    let ways = types.len().pow(slices.len() as u32);
    (0..ways)
        .filter_map(|way| {
            // A common multiple of all rates, so that fractions are whole.
            let mut parts = vec![0_u64; types.len()];
            let mut rest = way;
            for (size, requests) in slices {
                let of = rest % types.len();
                rest /= types.len();
                let rate = types[of].rate[*size] as u64;
                if rate == 0 {
                    return None;
                }
                parts[of] += u64::from(*requests) * 420 / rate;
            }
            let counts: Vec<u64> = parts.iter().map(|parts| parts.div_ceil(420)).collect();
            let available = counts.iter().zip(types).all(|(count, of)| *count <= u64::from(of.available));
            available.then(|| counts.iter().zip(types).map(|(count, of)| *count as i64 * of.price).sum())
        })
        .min()
}

#[test]
fn two_types_together_are_cheaper_than_either() {
    let types = [
        Accelerator { price: 100, rate: vec![10.0, 1.0], available: 10, risk: 0.0 },
        Accelerator { price: 400, rate: vec![20.0, 8.0], available: 10, risk: 0.0 },
    ];
    let mix = cheapest_mix(&types, &[(0, 10.0), (1, 4.0), (1, 4.0)]).unwrap();
    assert_eq!((mix.price, mix.counts.as_slice()), (500, &[1, 1][..]));
    let risky = [Accelerator { risk: 0.5, ..types[0].clone() }, types[1].clone()];
    assert_eq!(cheapest_mix(&risky, &[(0, 10.0)]).unwrap().price, 200);
    assert_eq!(cheapest_mix(&types, &[(0, 1e6)]), Err(MixError::Short));
    let none = [Accelerator { rate: vec![0.0], ..types[0].clone() }];
    assert_eq!(cheapest_mix(&none, &[(0, 1.0)]), Err(MixError::Unserved(0)));
}

#[test]
fn a_gang_goes_where_it_is_tightest_or_nowhere() {
    let machine = |accelerators, domain| Machine { accelerators, memory_bytes: 80, domain };
    let machines = [machine(8, 0), machine(8, 0), machine(4, 1), machine(4, 1)];
    let gang = Item { accelerators: 4, memory_bytes: 80, members: 2, one_domain: true };
    assert_eq!(pack(&machines, std::slice::from_ref(&gang)).unwrap().machines, [Some(vec![2, 3])]);
    let large = Item { members: 5, ..gang.clone() };
    assert_eq!(pack(&machines, std::slice::from_ref(&large)).unwrap().machines, [None]);
    let spread = Item { one_domain: false, ..large };
    assert!(pack(&machines, &[spread]).unwrap().machines[0].is_some());
    assert!(pack(&machines, &[Item { members: 0, ..gang }]).is_err());
}

fn tenant(owner: &str, gib: u64, compute_percent: u32, is_development: bool) -> Tenant {
    Tenant { owner: owner.to_owned(), memory_bytes: gib * GIB, compute_percent, is_development }
}

#[test]
fn owners_are_parted_by_hardware_and_one_owner_may_share_more_loosely() {
    let two = [tenant("a", 30, 40, false), tenant("b", 30, 40, false)];
    assert_eq!(share(80 * GIB, true, &two), Ok(Partition::Mig(vec![3, 3])));
    assert_eq!(share(80 * GIB, false, &two), Err(ShareError::Owners));
    let own = [tenant("a", 30, 40, false), tenant("a", 30, 40, false)];
    assert_eq!(share(80 * GIB, false, &own), Ok(Partition::Mps));
    let heavy = [tenant("a", 30, 80, false), tenant("a", 30, 80, false)];
    assert_eq!(share(80 * GIB, true, &heavy), Err(ShareError::Compute));
    let trying = [tenant("a", 30, 80, true), tenant("b", 30, 80, true)];
    assert_eq!(share(80 * GIB, false, &trying), Ok(Partition::TimeSlices));
    let mixed = [tenant("a", 30, 80, true), tenant("b", 30, 10, false)];
    assert_ne!(share(80 * GIB, false, &mixed), Ok(Partition::TimeSlices));
    assert_eq!(share(80 * GIB, true, &[tenant("a", 81, 1, false)]), Err(ShareError::Memory));
    // 4g and 3g fill the card; a second 4g has no place to lie.
    let full = [tenant("a", 40, 57, false), tenant("b", 40, 42, false)];
    assert_eq!(share(80 * GIB, true, &full), Ok(Partition::Mig(vec![4, 3])));
    let seven: Vec<Tenant> = (0..7).map(|at| tenant(&at.to_string(), 10, 14, false)).collect();
    assert_eq!(share(80 * GIB, true, &seven), Ok(Partition::Mig(vec![1; 7])));
}
