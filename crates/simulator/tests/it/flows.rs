//! Flows: nobody is counted twice, no policy sees the future, and ours is cheaper or faster than the common ways.

use proptest::prelude::*;
use simulator::flows::{FlowPolicyName, FlowRun, Outage, Scaling, World, named, parse_world, replay};

const POLICIES: [FlowPolicyName; 5] = [
    FlowPolicyName::Ours,
    FlowPolicyName::Nearest,
    FlowPolicyName::Waterfall,
    FlowPolicyName::LeastLoaded,
    FlowPolicyName::RoundRobin,
];

fn world(regions: usize, seed: u64) -> World {
    World { seed, ..World::generated(regions, 20_000.0) }
}

fn lost(world: &World, region: usize, from_seconds: f64, for_seconds: f64) -> World {
    let outage = Outage { region: world.regions[region].name.clone(), from_seconds, for_seconds };
    World { outages: vec![outage], ..world.clone() }
}

fn run(world: &World, name: FlowPolicyName, scaling: Scaling, hours: f64) -> FlowRun {
    let mut policy = named(name, world.regions.len(), 100.0);
    replay(world, (hours * 3_600.0, 30.0), policy.as_mut(), scaling, true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn everybody_is_served_or_given_up_or_still_waits(
        seed in any::<u64>(), regions in 1_usize..7, from in 0.0_f64..5_000.0, length in 0.0_f64..4_000.0,
    ) {
        let world = lost(&world(regions, seed), 0, from, length);
        for name in POLICIES {
            for scaling in [Scaling::Ours, Scaling::Static] {
                let run = run(&world, name, scaling, 2.0);
                let (arrived, told) = (run.all.arrived, run.all.lost + run.all.latencies.requests());
                // Those on the way or waiting at the end are at most what patience lets gather.
                let waiting = world.patience_seconds * 60_000.0;
                prop_assert!(told <= arrived * (1.0 + 1e-9) && told + waiting >= arrived, "{:?} {} {}", name, arrived, told);
                prop_assert!(run.replica_s > 0.0 && run.replicas_usd.is_finite());
                for shares in &run.decisions {
                    for row in shares.chunks(regions) {
                        let sum: f64 = row.iter().sum();
                        prop_assert!(row.iter().all(|share| *share >= 0.0) && (sum < 1e-9 || (sum - 1.0).abs() < 1e-6));
                    }
                }
            }
        }
    }

    #[test]
    fn no_decision_depends_on_what_comes_after(seed in any::<u64>(), cut in 20_usize..200) {
        let calm = world(4, seed);
        // The same until the cut, and then a region is lost.
        let other = lost(&calm, 1, cut as f64 * 30.0, 1e9);
        for name in POLICIES {
            let (seen, unseen) = (run(&calm, name, Scaling::Ours, 2.0), run(&other, name, Scaling::Ours, 2.0));
            prop_assert_eq!(&seen.decisions[..cut], &unseen.decisions[..cut]);
            prop_assert!(seen.decisions != unseen.decisions);
        }
    }
}

/// Those who wait where a region is lost were counted when it took them: sent again, they must not be counted twice.
#[test]
fn a_queue_that_is_lost_is_counted_once() {
    let world = lost(&world(5, 14_019_213_015_534_105_679), 0, 958.639_047_072_831_4, 2_713.054_121_051_334_7);
    let run = run(&world, FlowPolicyName::Nearest, Scaling::Ours, 2.0);
    let told = run.all.lost + run.all.latencies.requests();
    assert!(told <= run.all.arrived * (1.0 + 1e-9), "{told} of {}", run.all.arrived);
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let world = world(5, 3);
    for name in POLICIES {
        let (one, other) = (run(&world, name, Scaling::Ours, 1.0), run(&world, name, Scaling::Ours, 1.0));
        assert_eq!(one.decisions, other.decisions);
        assert_eq!(one.replicas_usd, other.replicas_usd);
    }
}

#[test]
fn a_lost_region_is_carried_by_the_others_and_comes_back() {
    let world = lost(&world(6, 5), 0, 3_600.0, 1_800.0);
    for name in POLICIES {
        let run = run(&world, name, Scaling::Ours, 3.0);
        assert!(run.during.arrived > 0.0 && run.after.arrived > 0.0);
        let last = run.decisions.last().unwrap();
        let back: f64 = last.chunks(6).map(|row| row[0]).sum();
        assert!(back > 0.1, "{name:?} does not use the region again");
    }
    let ours = run(&world, FlowPolicyName::Ours, Scaling::Ours, 3.0);
    let nearest = run(&world, FlowPolicyName::Nearest, Scaling::Ours, 3.0);
    let (kept, theirs) = (ours.during.share(), nearest.during.share());
    assert!(kept > 0.995 && kept > theirs + 0.01, "{kept} {theirs}");
}

#[test]
fn a_world_that_makes_no_sense_is_refused_with_its_reason() {
    let good = include_str!("../../worlds/five-regions.toml");
    assert_eq!(parse_world(good).unwrap().regions.len(), 5);
    for (from, to, said) in [
        ("slots = 32", "slots = -1", "slots is -1"),
        ("slots = 32", "slots = nan", "slots is NaN"),
        ("service_seconds = 2.0", "service_seconds = 0.0", "service_seconds is 0"),
        ("latitude = 38.95", "latitude = 138.95", "latitude of aws:us-east-1 is 138.95"),
        ("clients = 5.0", "clients = -5.0", "clients of aws:us-east-1 is -5"),
        ("seed = 7", "seed = 7\nsurprise = 1", "surprise"),
        ("gcp:europe-west4\"\nlat", "aws:us-east-1\"\nlat", "there twice"),
        ("region = \"gcp:europe-west4\"", "region = \"mars\"", "no region \"mars\""),
        ("busy_target = 0.8", "busy_target = 1.8", "busy_target"),
    ] {
        assert!(good.contains(from), "{from}");
        let cause = parse_world(&good.replacen(from, to, 1)).unwrap_err();
        assert!(cause.contains(said), "{to}: {cause}");
    }
}
