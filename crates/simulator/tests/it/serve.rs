//! Replicas on spot: the bound bounds, targets are met, and no policy sees the future.

use planning::spot::{ServingGoal, ServingPlanner};
use proptest::prelude::*;
use simulator::generate::{SpotWorld, VariedWorld};
use simulator::serve::{Ours, ServeRun, ServingPolicy, SpotHedge, Spread, replay};

const GOAL: ServingGoal = ServingGoal { replicas: 4, cold_start_s: 183.0, price_ratio: 0.3, target_availability: 0.99 };

fn world(ticks: usize) -> SpotWorld {
    SpotWorld { zones: 3, nodes: 4, ticks, ..SpotWorld::default() }
}

fn policies() -> Vec<Box<dyn ServingPolicy>> {
    vec![
        Box::new(Ours(ServingPlanner::new(GOAL, 3))),
        Box::new(SpotHedge::new(4, 2, 3)),
        Box::new(Spread { replicas: 6 }),
    ]
}

fn cost_s(run: &ServeRun) -> f64 {
    run.spot_s * GOAL.price_ratio + run.on_demand_s
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn no_decision_depends_on_what_comes_after(seed in any::<u64>(), cut in 1_usize..500) {
        let trace = world(500).generate(seed);
        let mut other = trace.clone();
        for zone in &mut other.zones {
            zone.nodes[cut..].iter_mut().for_each(|nodes| *nodes = 4 - *nodes);
        }
        for (policy, twin) in policies().iter_mut().zip(&mut policies()) {
            let seen = replay(&trace, &GOAL, policy.as_mut()).wanted;
            let unseen = replay(&other, &GOAL, twin.as_mut()).wanted;
            prop_assert_eq!(&seen[..cut], &unseen[..cut]);
        }
        let short = replay(&trace.truncated(cut), &GOAL, policies()[0].as_mut()).wanted;
        prop_assert_eq!(&short[..], &replay(&trace, &GOAL, policies()[0].as_mut()).wanted[..cut]);
    }

    #[test]
    fn time_and_money_add_up(seed in any::<u64>()) {
        let trace = world(400).generate(seed);
        let span_s = 400.0 * trace.tick_s;
        for policy in &mut policies() {
            let run = replay(&trace, &GOAL, policy.as_mut());
            prop_assert!((run.counted_s - (span_s - GOAL.cold_start_s)).abs() < 1e-6);
            prop_assert!(run.ready_s <= run.counted_s + 1e-6);
            // Whoever was ready all the counted time held at least that many instances.
            prop_assert!(run.spot_s + run.on_demand_s >= 4.0 * run.ready_s - 1e-6);
        }
    }
}

#[test]
fn ours_meets_its_target_at_less_than_spothedge_pays() {
    let (mut ready, mut counted, mut ours_cost, mut hedge_cost) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..4 {
        let trace = world(2_500).generate(seed);
        let ours = replay(&trace, &GOAL, &mut Ours(ServingPlanner::new(GOAL, 3)));
        ready += ours.ready_s;
        counted += ours.counted_s;
        ours_cost += cost_s(&ours);
        hedge_cost += cost_s(&replay(&trace, &GOAL, &mut SpotHedge::new(4, 2, 3)));
    }
    assert!(ready / counted >= 0.99, "{}", ready / counted);
    assert!(ours_cost < 0.85 * hedge_cost, "{ours_cost} against {hedge_cost}");
}

/// Zones unlike each other, at each target: what is reached lies above it, or below by less than one cold start a world.
#[test]
fn targets_are_met_in_worlds_unlike_each_other() {
    for target_availability in [0.99, 0.999] {
        let goal = ServingGoal { target_availability, ..GOAL };
        let (mut short_s, mut counted_s) = (0.0, 0.0);
        for seed in 100..104 {
            let trace = VariedWorld { zones: 3, nodes: 4, ticks: 3_600, tick_s: 300.0 }.generate(seed);
            let run = replay(&trace, &goal, &mut Ours(ServingPlanner::new(goal, 3)));
            let (short, allowed) = (run.counted_s - run.ready_s, (1.0 - target_availability) * run.counted_s);
            let hedge = replay(&trace, &goal, &mut SpotHedge::new(4, 3, 3));
            assert!(
                short <= allowed + goal.cold_start_s,
                "seed {seed} at {target_availability}: {short} of {allowed} s"
            );
            assert!(cost_s(&run) < cost_s(&hedge), "seed {seed} at {target_availability}");
            short_s += short;
            counted_s += run.counted_s;
        }
        assert!(short_s <= (1.0 - target_availability) * counted_s, "{short_s} s at {target_availability}");
    }
}

/// One zone that holds four for ever: one cold start, then spot alone.
#[test]
fn calm_spot_is_served_from_spot_alone() {
    let trace = simulator::trace::SpotTrace {
        tick_s: 300.0,
        zones: vec![simulator::trace::ZoneTrace { name: "calm".to_owned(), nodes: vec![4; 2_000] }],
    };
    let goal = ServingGoal { target_availability: 0.98, ..GOAL };
    let run = replay(&trace, &goal, &mut Ours(ServingPlanner::new(goal, 1)));
    assert_eq!(run.preemptions, 0);
    assert!((run.ready_s - run.counted_s).abs() < 1e-6);
    assert!(cost_s(&run) / (4.0 * 2_000.0 * 300.0) < 0.32, "{}", cost_s(&run));
}
