//! Tables and properties of the constraints.

use proptest::prelude::*;

use super::*;

const NEED: Need<'static> = Need {
    by: "environment production",
    what: "a replica",
    clouds: &[],
    sites: &[],
    residency: &[],
    outages: &[],
    families: &[],
    accelerators: &[],
    accelerators_least: 0,
    processors: 1.0,
    memory_bytes: 1_073_741_824.0,
    model: None,
    accelerator_memory_bytes: 0.0,
    price_cap: None,
    instances: 1,
};

const SUPPLY: Supply<'static> = Supply {
    cloud: "aws",
    region: "us-east-1",
    zone: "us-east-1a",
    jurisdiction: "US",
    out: None,
    not_sold: None,
    family: "m7i",
    accelerator: "",
    accelerators: 0,
    processors: 2.0,
    memory_bytes: 4_294_967_296.0,
    accelerator_memory_bytes: 0.0,
    price_per_hour: Money(100_000_000),
    left: Some(2),
    in_use: Some((6, 8)),
};

#[test]
fn every_constraint_has_a_sentence_with_its_numbers() {
    let (clouds, sites) = (["gcp".parse().expect("a name")], ["aws/eu-west-1".parse().expect("a site")]);
    let (countries, families, out) = (["IE".to_owned(), "DE".to_owned()], ["g6".to_owned()], ["aws".to_owned()]);
    let model = Some(ModelNeed { bytes: 5_583_457_485, parts: "weights 4.1Gi + KV cache 1.1Gi" });
    let cases = [
        (Need { clouds: &clouds, ..NEED }, SUPPLY, "environment production does not allow cloud aws"),
        (Need { sites: &sites, ..NEED }, SUPPLY, "environment production does not allow this site"),
        (Need { residency: &countries, ..NEED }, SUPPLY, "it is in US; environment production keeps data in IE, DE"),
        (NEED, Supply { out: Some("flood"), ..SUPPLY }, "out of service: flood"),
        (Need { outages: &out, ..NEED }, SUPPLY, "out of service: it cannot start instances now"),
        (NEED, Supply { not_sold: Some("it has no spot market"), ..SUPPLY }, "it has no spot market"),
        (Need { families: &families, ..NEED }, SUPPLY, "it is of the family \"m7i\"; environment production allows g6"),
        (Need { accelerators: &families, ..NEED }, SUPPLY, "its accelerator is none; a replica can use g6"),
        (Need { accelerators_least: 1, ..NEED }, SUPPLY, "an instance has 0 gpu; a replica needs 1"),
        (NEED, Supply { processors: 0.1, ..SUPPLY }, "an instance has 100m cpu; a replica needs 1000m"),
        (NEED, Supply { memory_bytes: 1.0, ..SUPPLY }, "an instance has 1Mi memory; a replica needs 1024Mi"),
        (
            Need { model, ..NEED },
            SUPPLY,
            "the model needs 5.2Gi memory (weights 4.1Gi + KV cache 1.1Gi); an instance has 4.0Gi",
        ),
        (
            Need { accelerator_memory_bytes: 1e10, ..NEED },
            SUPPLY,
            "its accelerators have 0Mi memory; a replica needs 9.3Gi",
        ),
        (
            Need { price_cap: Some(Money(50_000_000)), ..NEED },
            SUPPLY,
            "a replica costs $0.1000/h; environment production allows $0.0500/h",
        ),
        (Need { instances: 3, ..NEED }, SUPPLY, "full: 6 of 8 instances are in use"),
        (
            Need { instances: 3, ..NEED },
            Supply { in_use: None, ..SUPPLY },
            "its quota leaves 2 instances; 3 are needed",
        ),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (need, supply, sentence) in &cases {
        let breach = broken(need, supply).expect(sentence);
        seen.insert(breach.constraint);
        assert_eq!(breach.to_string(), *sentence);
        assert!(!breach.constraint.holds(need, supply), "{sentence}");
    }
    assert_eq!(seen.len(), Constraint::ORDER.len(), "a constraint has no case");
    assert!(broken(&NEED, &SUPPLY).is_none());
}

#[test]
fn a_place_is_named_by_its_cloud_its_region_or_its_zone() {
    for (name, inside) in [
        ("aws", true),
        ("aws:us-east-1", true),
        ("aws:us-east-1:us-east-1a", true),
        ("us", true),
        ("aws:us-east-1:us-east-1b", false),
        ("aws:us-east-1:us-east-1a:x", false),
        ("aws:us-east", false),
        ("", false),
    ] {
        let residency = [name.to_owned()];
        assert_eq!(broken(&Need { residency: &residency, ..NEED }, &SUPPLY).is_none(), inside, "{name}");
    }
}

proptest! {
    #[test]
    fn more_never_breaks_what_less_kept(
        (needs, has, more) in (0.0..64.0_f64, 0.0..64.0_f64, 0.0..64.0_f64), left in 0_u32..9, instances in 0_u32..9,
    ) {
        let need = Need { processors: needs, memory_bytes: needs, instances, ..NEED };
        let less = Supply { processors: has, memory_bytes: has, left: Some(left), ..SUPPLY };
        let greater = Supply { processors: has + more, memory_bytes: has + more, left: Some(left + 1), ..SUPPLY };
        if broken(&need, &less).is_none() {
            prop_assert!(broken(&need, &greater).is_none());
        }
    }
}
