//! Egress: exact at every boundary, monotone, additive.

use domain::Money;
use planning::egress::{Bytes, Ledger, Place, Schedule, cheapest_route, known_regions, schedule};
use proptest::prelude::*;

const GB: u64 = 1 << 30;

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

fn usd(from: &str, to: &str, gb: u64) -> f64 {
    Ledger::default().quote(&place(from), &place(to), Bytes(gb * GB)).unwrap().dollars()
}

/// Worked out by hand from the published tiers.
#[test]
fn the_published_tiers_to_the_cent() {
    for (from, to, gb, expected) in [
        ("aws:us-east-1", "gcp:us-central1", 1, 0.09),
        ("aws:us-east-1", "gcp:us-central1", 10_240, 921.60),
        ("aws:us-east-1", "internet", 10_241, 921.685),
        ("aws:eu-west-1", "azure:westeurope", 51_200, 4_403.20),
        ("aws:us-west-2", "internet", 61_440, 5_120.00),
        ("aws:us-west-2", "internet", 153_600, 11_571.20),
        ("aws:us-west-2", "internet", 154_624, 11_622.40),
        ("azure:eastus", "internet", 10_240, 890.88),
        ("azure:eastus", "aws:us-east-1", 51_200, 4_290.56),
        ("gcp:us-central1", "internet", 1_024, 122.88),
        ("gcp:us-central1", "internet", 1_025, 122.99),
        ("gcp:us-central1", "aws:us-east-1", 10_240, 1_136.64),
        ("aws:us-east-1", "aws:us-east-2", 100, 1.0),
        ("aws:us-east-1", "aws:us-west-2", 100, 2.0),
        ("aws:us-east-1", "aws:us-east-1", 100, 0.0),
        ("aws:af-south-1", "internet", 100, 15.4),
    ] {
        assert!((usd(from, to, gb) - expected).abs() < 1e-9, "{from} {to} {gb}: {}", usd(from, to, gb));
    }
}

#[test]
fn places_without_a_price_are_refused_with_their_name() {
    for (from, to, said) in [
        ("aws:mars-1", "internet", "aws:mars-1"),
        ("aws:us-east-1", "gcp:moon", "gcp:moon"),
        ("internet", "aws:us-east-1", "no place to leave"),
    ] {
        let cause = schedule(&place(from), &place(to)).unwrap_err().to_string();
        assert!(cause.contains(said), "{cause}");
    }
    for text in ["", "aws", "aws:", "ibm:us-south"] {
        assert!(text.parse::<Place>().is_err(), "{text:?}");
    }
    assert!(known_regions().iter().all(|region| schedule(region, &Place::Internet).is_ok()));
}

#[test]
fn a_relay_is_taken_only_when_it_is_cheaper() {
    let ledger = Ledger::default();
    let amount = Bytes(100 * GB);
    let dear = (place("gcp:us-west4"), place("aws:ap-southeast-2"));
    let route = cheapest_route(&dear.0, &dear.1, amount, &ledger, &known_regions()).unwrap();
    let direct = ledger.quote(&dear.0, &dear.1, amount).unwrap();
    let via = route.via.unwrap();
    assert!(route.price < direct);
    assert_eq!(
        route.price,
        ledger.quote(&dear.0, &via, amount).unwrap() + ledger.quote(&via, &dear.1, amount).unwrap()
    );
    let near = cheapest_route(&place("aws:us-east-1"), &place("aws:us-east-2"), amount, &ledger, &known_regions());
    assert_eq!(near.unwrap().via, None);
    assert_eq!(cheapest_route(&dear.0, &dear.1, amount, &ledger, &[]).unwrap().price, direct);
}

#[test]
fn the_ledger_moves_the_tier_of_its_own_source_and_class_only() {
    let (east, west, gcp) = (place("aws:us-east-1"), place("aws:us-west-2"), place("gcp:us-central1"));
    let mut ledger = Ledger::default();
    assert_eq!(ledger.record(&east, &gcp, Bytes(10_240 * GB)).unwrap(), Money::from_dollars(921.6));
    assert_eq!(ledger.quote(&east, &Place::Internet, Bytes(GB)).unwrap(), Money::from_dollars(0.085));
    assert_eq!(ledger.quote(&west, &gcp, Bytes(GB)).unwrap(), Money::from_dollars(0.09));
    assert_eq!(ledger.quote(&east, &west, Bytes(GB)).unwrap(), Money::from_dollars(0.02));
}

/// A pair of places of the list, by number.
fn pair(from: usize, to: usize) -> Schedule {
    let regions = known_regions();
    schedule(&regions[from % regions.len()], &regions[to % regions.len()]).unwrap()
}

proptest! {
    #[test]
    fn exact_at_every_tier_boundary(from in 0_usize..71, to in 0_usize..71, around in -2_i64..=2) {
        let tiers = pair(from, to);
        let (mut below_gb, mut sum) = (0, 0_i128);
        for (limit_gb, nanos) in tiers.tiers {
            sum += i128::from(limit_gb - below_gb) * i128::from(*nanos);
            below_gb = *limit_gb;
            let whole = tiers.price(Bytes(0), Bytes(limit_gb * GB));
            prop_assert_eq!(i128::from(whole.0), sum);
            // A byte more or less than the boundary is within a nano-dollar of it, and never the other way round.
            let beside = tiers.price(Bytes(0), Bytes((limit_gb * GB).saturating_add_signed(around)));
            prop_assert!((beside.0 - whole.0).abs() <= 1);
            prop_assert!((beside.0 - whole.0).signum() * around.signum() >= 0);
        }
    }

    #[test]
    fn monotone_and_the_same_in_parts(
        from in 0_usize..71, to in 0_usize..71, before in 0_u64..300_000, first in 0_u64..1 << 48, second in 0_u64..1 << 48,
    ) {
        let tiers = pair(from, to);
        let before = Bytes(before * GB);
        let whole = tiers.price(before, Bytes(first + second));
        let part = tiers.price(before, Bytes(first));
        let rest = tiers.price(Bytes(before.0 + first), Bytes(second));
        prop_assert!(whole >= part);
        prop_assert!((whole.0 - part.0 - rest.0).abs() <= 1);
    }
}
