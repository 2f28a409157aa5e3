//! Tables and properties of the allocation.

use std::collections::BTreeMap;

use domain::{ComputeType, GeoPoint, Kind, Resources, Timestamp};
use proptest::prelude::*;

use super::*;

fn site(name: &str, price_cents: i64, capacity: u32) -> CloudSite {
    CloudSite {
        site: format!("local/{name}").parse().expect("a site"),
        country: "US".to_owned(),
        location: GeoPoint { latitude: 0.0, longitude: 0.0 },
        instance_type: "m7i.large".to_owned(),
        on_demand_per_hour: Money(price_cents * 10_000_000),
        spot_per_hour: Some(Money(price_cents * 3_000_000)),
        instance: Resources { cpu_milli: 2_000, memory_bytes: 8 << 30, gpu: 0 },
        capacity,
        used: 0,
        available: true,
        reason: None,
    }
}

fn environment() -> Environment {
    Environment {
        name: "production".parse().expect("a name"),
        compute_type: ComputeType::Cpu,
        resources: Resources { cpu_milli: 1_000, memory_bytes: 1 << 30, gpu: 0 },
        clouds: Vec::new(),
        sites: Vec::new(),
        countries: Vec::new(),
        max_price_per_hour: None,
        shared_prefix_cache: false,
        labels: BTreeMap::new(),
        created_at: Timestamp(0),
    }
}

fn placed(counts: &[(&str, u32)]) -> BTreeMap<SiteRef, u32> {
    counts.iter().map(|(name, count)| (format!("local/{name}").parse().expect("a site"), *count)).collect()
}

fn counts_of(replicas: u32, sites: &[CloudSite], now: &[(&str, u32)]) -> BTreeMap<String, u32> {
    let (environment, placed) = (environment(), placed(now));
    let problem = AllocationProblem {
        replicas,
        market: Market::OnDemand,
        environment: &environment,
        memory: None,
        sites,
        placed: &placed,
    };
    let found = allocate(&problem);
    found.placements.into_iter().map(|p| (p.site.site.to_string(), p.replicas)).collect()
}

fn expect(counts: &[(&str, u32)]) -> BTreeMap<String, u32> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn spreads_first_and_saves_second() {
    let sites = [site("a", 9, 10), site("b", 5, 10), site("c", 7, 10)];
    assert_eq!(counts_of(3, &sites, &[]), expect(&[("a", 1), ("b", 1), ("c", 1)]));
    assert_eq!(counts_of(2, &sites, &[]), expect(&[("b", 1), ("c", 1)]), "the two cheapest");
    assert_eq!(counts_of(5, &sites, &[]), expect(&[("a", 1), ("b", 2), ("c", 2)]));
}

#[test]
fn moves_away_from_a_site_that_is_out_and_back_only_for_a_better_spread() {
    let mut sites = [site("a", 5, 10), site("b", 5, 10), site("c", 5, 10)];
    sites[2].available = false;
    assert_eq!(counts_of(3, &sites, &[("a", 1), ("b", 1), ("c", 1)]), expect(&[("a", 2), ("b", 1)]));
    sites[2].available = true;
    assert_eq!(counts_of(3, &sites, &[("a", 2), ("b", 1)]), expect(&[("a", 1), ("b", 1), ("c", 1)]));
    assert_eq!(counts_of(4, &sites, &[("a", 2), ("b", 2)]), expect(&[("a", 2), ("b", 2)]), "two a site is level");
}

#[test]
fn scaling_down_takes_from_the_fullest_and_dearest() {
    let sites = [site("a", 9, 10), site("b", 5, 10), site("c", 7, 10)];
    let now = [("a", 2), ("b", 2), ("c", 1)];
    assert_eq!(counts_of(4, &sites, &now), expect(&[("a", 1), ("b", 2), ("c", 1)]));
    assert_eq!(counts_of(1, &sites, &now), expect(&[("b", 1)]));
    assert_eq!(counts_of(0, &sites, &now), expect(&[]));
}

#[test]
fn among_equals_the_first_site_is_filled_first_and_the_last_is_emptied_first() {
    let sites = [site("c", 5, 10), site("a", 5, 10), site("b", 5, 10)];
    assert_eq!(counts_of(1, &sites, &[]), expect(&[("a", 1)]));
    assert_eq!(counts_of(2, &sites, &[]), expect(&[("a", 1), ("b", 1)]));
    assert_eq!(counts_of(4, &sites, &[]), expect(&[("a", 2), ("b", 1), ("c", 1)]));
    let now = [("a", 2), ("b", 2), ("c", 2)];
    assert_eq!(counts_of(5, &sites, &now), expect(&[("a", 2), ("b", 2), ("c", 1)]));
    assert_eq!(counts_of(1, &sites, &now), expect(&[("a", 1)]));
    // What runs counts more than the order of sites.
    assert_eq!(counts_of(1, &sites, &[("c", 1)]), expect(&[("c", 1)]));
    assert_eq!(counts_of(2, &sites, &[("c", 2)]), expect(&[("a", 1), ("c", 1)]));
}

#[test]
fn emptiness_counts_before_price_and_price_before_order() {
    // Every site has one already: the next goes to the cheapest, also when it is the last in order.
    let sites = [site("a", 9, 10), site("b", 7, 10), site("c", 5, 10)];
    let now = [("a", 1), ("b", 1), ("c", 1)];
    assert_eq!(counts_of(4, &sites, &now), expect(&[("a", 1), ("b", 1), ("c", 2)]));
    assert_eq!(counts_of(4, &sites, &[("b", 1), ("c", 2)]), expect(&[("a", 1), ("b", 1), ("c", 2)]));
    // On the way down the dearest of the fullest loses one, also when it is the first in order.
    assert_eq!(counts_of(5, &sites, &[("a", 2), ("b", 2), ("c", 2)]), expect(&[("a", 1), ("b", 2), ("c", 2)]));
    assert_eq!(counts_of(2, &sites, &now), expect(&[("b", 1), ("c", 1)]));
}

#[test]
fn prices_that_tie_are_all_the_cheapest_and_a_site_listed_twice_counts_once() {
    let sites = [site("a", 5, 4), site("b", 5, 4), site("c", 9, 4), site("a", 5, 4)];
    let (environment, placed) = (environment(), placed(&[]));
    let problem = AllocationProblem {
        replicas: 3,
        market: Market::OnDemand,
        environment: &environment,
        memory: None,
        sites: &sites,
        placed: &placed,
    };
    let found = allocate(&problem);
    let whys: Vec<(u32, bool)> = found.placements.iter().map(|p| (p.replicas, p.why.contains("cheapest"))).collect();
    assert_eq!(whys, [(1, true), (1, true), (1, false)]);
    let found = allocate(&AllocationProblem { replicas: 13, ..problem });
    assert_eq!((found.placements.len(), found.unplaced), (3, 1), "twelve instances, and not sixteen");
    assert!(found.placements.iter().all(|p| p.why.contains("now full")), "{:?}", found.placements);
}

/// What a site says it carries and what we placed there were counted at different moments.
#[test]
fn counts_taken_at_different_moments_neither_evict_nor_overfill() {
    let count = |capacity, used, ours, wanted| {
        let sites = [CloudSite { used, ..site("a", 5, capacity) }];
        counts_of(wanted, &sites, &[("a", ours)]).get("a").copied().unwrap_or(0)
    };
    // The site's count has ours twice, or others came meanwhile: what is placed has its room already.
    assert_eq!(count(4, 6, 2, 2), 2);
    assert_eq!(count(4, 4, 2, 2), 2);
    assert_eq!(count(4, 9, 3, 3), 3);
    // It does not have ours yet: they take room all the same, and no more than once.
    assert_eq!(count(4, 0, 2, 4), 4);
    assert_eq!(count(4, 1, 2, 4), 4);
    assert_eq!(count(4, 3, 2, 4), 3, "one is somebody else's");
    // The site shrank below what is placed there.
    assert_eq!(count(4, 6, 6, 6), 4);
    assert_eq!(count(0, 2, 2, 2), 0);
}

#[test]
fn every_constraint_is_a_reason() {
    let mut sites: Vec<CloudSite> = (0..8).map(|n| site(&format!("s{n}"), 5, 4)).collect();
    sites[0].site = "other/s0".parse().expect("a site");
    sites[1].country = "DE".to_owned();
    sites[2].available = false;
    sites[3].instance.cpu_milli = 100;
    sites[4].instance.memory_bytes = 1;
    sites[5].spot_per_hour = None;
    sites[6].spot_per_hour = Some(Money(1 << 60));
    sites[7].used = 4;
    let environment = Environment {
        clouds: vec!["local".parse().expect("a name")],
        countries: vec!["us".to_owned()],
        max_price_per_hour: Some(Money(1_000_000_000)),
        ..environment()
    };
    let placed = BTreeMap::new();
    let problem = AllocationProblem {
        replicas: 1,
        market: Market::Spot,
        environment: &environment,
        memory: None,
        sites: &sites,
        placed: &placed,
    };
    let found = allocate(&problem);
    let reasons: Vec<Reason> = {
        let mut rejected = found.rejected.clone();
        rejected.sort_by_key(|rejection| rejection.site.site.clone());
        rejected.into_iter().map(|rejection| rejection.reason).collect()
    };
    let wanted = [
        "cloud_not_allowed",
        "residency",
        "out_of_service",
        "cpu_too_small",
        "memory_too_small",
        "no_spot_market",
        "price_above_cap",
        "full",
    ];
    assert_eq!(reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), wanted);
    let shortage = found.shortage.expect("nothing will do");
    assert_eq!(shortage.kind, Kind::NoCapacity);
    assert!(shortage.cause.contains("production") && shortage.next_step.is_some(), "{shortage:?}");
}

#[test]
fn a_gpu_need_and_a_site_list_are_constraints_too() {
    let sites = [site("a", 5, 4), site("b", 5, 4)];
    let mut environment = environment();
    environment.sites = vec![sites[0].site.clone()];
    environment.resources.gpu = 1;
    let placed = BTreeMap::new();
    let problem = AllocationProblem {
        replicas: 1,
        market: Market::OnDemand,
        environment: &environment,
        memory: None,
        sites: &sites,
        placed: &placed,
    };
    let reasons: Vec<Reason> = allocate(&problem).rejected.iter().map(|rejection| rejection.reason).collect();
    let words: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words, ["gpu_too_few", "site_not_allowed"]);
}

#[test]
fn a_model_that_no_instance_holds_is_told_with_its_parts() {
    let mut sites = [site("a", 5, 4), site("b", 5, 4)];
    sites[1].instance.memory_bytes = 16 << 30;
    let (environment, placed) = (environment(), placed(&[]));
    let memory = Some(ServingMemory::new(6 << 30, Some(131_072), 8_192, 4));
    let problem = AllocationProblem {
        replicas: 2,
        market: Market::OnDemand,
        environment: &environment,
        memory,
        sites: &sites,
        placed: &placed,
    };
    let found = allocate(&problem);
    assert_eq!(found.replicas_at(&sites[1].site), 2);
    let rejected = &found.rejected[0];
    assert_eq!(rejected.reason.as_str(), "model_too_large");
    assert_eq!(
        rejected.cause,
        "the model needs 11.1Gi memory (weights 6.0Gi + KV cache 4.0Gi (8192 tokens × 4 at once) + runtime 1.1Gi); an \
         instance has 8.0Gi"
    );
    let placed = super::tests::placed(&[("a", 1)]);
    let found = allocate(&AllocationProblem { placed: &placed, ..problem });
    assert_eq!(found.replicas_at(&sites[0].site), 1, "what runs there has shown that it fits");
}

#[test]
fn a_shortage_names_capacity_and_places_what_it_can() {
    let sites = [site("a", 5, 2), site("b", 5, 1)];
    let (environment, placed) = (environment(), BTreeMap::new());
    let problem = AllocationProblem {
        replicas: 7,
        market: Market::OnDemand,
        environment: &environment,
        memory: None,
        sites: &sites,
        placed: &placed,
    };
    let found = allocate(&problem);
    assert_eq!((found.unplaced, found.price_per_hour()), (4, Money(150_000_000)));
    let shortage = found.shortage.expect("four find no place");
    assert!(shortage.cause.contains("4 of 7") && shortage.cause.contains("capacity"), "{}", shortage.cause);
}

#[derive(Debug, Clone)]
struct World {
    sites: Vec<CloudSite>,
    placed: BTreeMap<SiteRef, u32>,
    replicas: u32,
}

prop_compose! {
    fn world()(
        rows in proptest::collection::vec((1_i64..20, 0_u32..8, 0_u32..4, prop::bool::weighted(0.8), 0_u32..8), 0..7),
        replicas in 0_u32..30,
    ) -> World {
        let mut world = World { sites: Vec::new(), placed: BTreeMap::new(), replicas };
        for (index, (price, capacity, others, available, ours)) in rows.into_iter().enumerate() {
            let mut site = site(&format!("s{index}"), price, capacity);
            let ours = ours.min(capacity);
            site.used = (ours + others).min(capacity);
            site.available = available;
            world.placed.insert(site.site.clone(), ours);
            world.sites.push(site);
        }
        world
    }
}

fn solve(world: &World) -> Allocation {
    allocate(&AllocationProblem {
        replicas: world.replicas,
        market: Market::OnDemand,
        environment: &environment(),
        memory: None,
        sites: &world.sites,
        placed: &world.placed,
    })
}

proptest! {
    #[test]
    fn places_all_that_fit_and_never_more(world in world()) {
        let found = solve(&world);
        let total: u32 = found.placements.iter().map(|p| p.replicas).sum();
        let room: u32 = world.sites.iter().filter(|s| s.available)
            .map(|s| s.capacity - s.used + world.placed[&s.site].min(s.used)).sum();
        prop_assert_eq!(total, world.replicas.min(room));
        prop_assert_eq!(found.unplaced, world.replicas - total);
        prop_assert_eq!(found.shortage.is_some(), found.unplaced > 0);
    }

    #[test]
    fn respects_capacity_and_rejections(world in world()) {
        let found = solve(&world);
        for placement in &found.placements {
            let site = world.sites.iter().find(|s| s.site == placement.site).expect("a known site");
            prop_assert!(site.available);
            prop_assert!(placement.replicas <= site.capacity);
            prop_assert!(found.rejected.iter().all(|rejection| rejection.site != placement.site));
        }
        prop_assert_eq!(found.placements.len() + found.rejected.len(), world.sites.len());
    }

    #[test]
    fn no_site_carries_more_than_its_share_while_another_has_room(world in world()) {
        let found = solve(&world);
        let room = |s: &CloudSite| s.capacity - s.used + world.placed[&s.site].min(s.used);
        for high in &found.placements {
            for low in world.sites.iter().filter(|s| s.available && found.replicas_at(&s.site) < room(s)) {
                // Two apart would mean that one more at the low site and one fewer at the high site spreads better,
                // unless both are within the share that everybody may have.
                let low_count = found.replicas_at(&low.site);
                let eligible = world.sites.iter().filter(|s| s.available && room(s) > 0).count();
                let share = world.replicas.div_ceil(u32::try_from(eligible).expect("few"));
                let all_at_room = world.sites.iter().any(|s| s.available && room(s) > 0 && room(s) < share);
                prop_assert!(high.replicas <= low_count + 1 || high.replicas <= share || all_at_room);
            }
        }
    }

    #[test]
    fn is_stable(world in world()) {
        let found = solve(&world);
        prop_assert_eq!(&found, &solve(&world));
        let mut reversed = world.clone();
        reversed.sites.reverse();
        prop_assert_eq!(&found.placements, &solve(&reversed).placements, "the order of sites does not matter");
        // The world as the solution makes it: others keep what they use, ours becomes what was decided.
        let mut settled = world.clone();
        for site in &mut settled.sites {
            let (before, after) = (world.placed[&site.site], found.replicas_at(&site.site));
            site.used = site.used.saturating_sub(before) + after;
            settled.placed.insert(site.site.clone(), after);
        }
        let again = solve(&settled);
        for site in &settled.sites {
            prop_assert_eq!(again.replicas_at(&site.site), settled.placed[&site.site], "{}", site.site);
        }
    }

    #[test]
    fn keeps_what_runs_when_the_spread_is_level(world in world()) {
        let mut world = world;
        world.sites.iter_mut().for_each(|site| site.available = true);
        world.replicas = world.placed.values().sum();
        let eligible = world.sites.iter().filter(|s| s.capacity > 0).count();
        let share = world.replicas.div_ceil(u32::try_from(eligible.max(1)).expect("few"));
        prop_assume!(world.placed.values().all(|count| *count <= share));
        for site in &world.sites {
            prop_assert_eq!(solve(&world).replicas_at(&site.site), world.placed[&site.site]);
        }
    }
}
