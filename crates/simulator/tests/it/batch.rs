//! Batch work: the deadline is kept, the bound bounds, and no policy sees the future.

use planning::spot::{BatchJob, BatchPlanner, Run};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulator::batch::{BatchPolicy, BatchRun, Charges, Greedy, Ours, UniformProgress, optimum_cost_hours, replay};
use simulator::generate::SpotWorld;
use simulator::trace::{SpotTrace, ZoneTrace};

const JOB: BatchJob =
    BatchJob { work_hours: 20.0, deadline_hours: 26.0, changeover_hours: 0.15, price_ratio: 0.3, move_hours: 0.0 };

fn run(trace: &SpotTrace, policy: &mut dyn BatchPolicy, start: usize) -> BatchRun {
    replay(trace, &JOB, &Charges::moving(trace, 0.0), policy, start)
}

/// Prices by zone that change every few hours, drawn from `seed`.
fn changing_prices(trace: &SpotTrace, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut price = 0.3;
    let mut next = |tick: usize| {
        if tick.is_multiple_of(50) {
            price = rng.random_range(0.1..1.2);
        }
        price
    };
    trace.zones.iter().map(|_| (0..trace.ticks()).map(&mut next).collect()).collect()
}

fn policies(zones: usize) -> Vec<Box<dyn BatchPolicy>> {
    vec![
        Box::new(Ours(BatchPlanner::new(JOB, zones))),
        Box::new(UniformProgress::new(JOB, zones)),
        Box::new(Greedy::new(JOB, zones)),
    ]
}

fn world(zones: usize, up_hours: f64, down_hours: f64) -> SpotWorld {
    SpotWorld { zones, ticks: 800, long_up_hours: up_hours, long_down_hours: down_hours, ..SpotWorld::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_deadline_is_missed_and_nothing_beats_the_bound(
        seed in any::<u64>(), zones in 1_usize..4, up in 0.2_f64..20.0, down in 0.2_f64..40.0, start in 0_usize..400,
    ) {
        let trace = world(zones, up, down).generate(seed);
        let bound = optimum_cost_hours(&trace, &JOB, &Charges::moving(&trace, 0.0), start);
        prop_assert!(bound >= JOB.work_hours * JOB.price_ratio - 0.02, "{}", bound);
        for policy in &mut policies(zones) {
            let result = run(&trace, policy.as_mut(), start);
            prop_assert!(!result.missed);
            prop_assert!(result.cost_hours >= bound - 0.02, "{} < {}", result.cost_hours, bound);
        }
    }

    #[test]
    fn changing_prices_and_moves_keep_the_deadline_and_the_bound(
        seed in any::<u64>(), zones in 1_usize..4, move_hours in 0.0_f64..2.0, start in 0_usize..400,
    ) {
        let trace = world(zones, 6.0, 6.0).generate(seed);
        let charges = Charges::moving(&trace, move_hours).with_prices(changing_prices(&trace, seed));
        let bound = optimum_cost_hours(&trace, &JOB, &charges, start);
        prop_assert!(bound >= JOB.work_hours * charges.floor(&JOB) - 0.02, "{}", bound);
        for policy in &mut policies(zones) {
            let result = replay(&trace, &JOB, &charges, policy.as_mut(), start);
            prop_assert!(!result.missed);
            prop_assert!(result.cost_hours >= bound - 0.02, "{} < {}", result.cost_hours, bound);
        }
    }

    #[test]
    fn a_decision_is_the_same_whatever_comes_after(seed in any::<u64>(), cut in 1_usize..300) {
        let trace = world(3, 3.0, 3.0).generate(seed);
        let mut other = trace.clone();
        for zone in &mut other.zones {
            zone.nodes[cut..].iter_mut().for_each(|nodes| *nodes = 1 - (*nodes).min(1));
        }
        for (policy, twin) in policies(3).iter_mut().zip(&mut policies(3)) {
            let seen = run(&trace, policy.as_mut(), 0).decisions;
            let unseen = run(&other, twin.as_mut(), 0).decisions;
            let known = cut.min(seen.len()).min(unseen.len());
            prop_assert_eq!(&seen[..known], &unseen[..known]);
        }
    }
}

/// On average over worlds; a single job may go either way.
#[test]
fn ours_costs_less_than_uniform_progress_on_average() {
    let mut totals = [0.0; 3];
    for seed in 0..12 {
        let trace = world(1, 8.0, 6.0).generate(seed);
        for (total, policy) in totals.iter_mut().zip(&mut policies(1)) {
            *total += run(&trace, policy.as_mut(), 400).cost_hours;
        }
    }
    assert!(totals[0] < 0.97 * totals[1], "ours {} against {}", totals[0], totals[1]);
}

/// Two zones that never go down, the second at another price than the first.
fn two_calm_zones(second: impl Fn(usize) -> f64) -> (SpotTrace, Charges) {
    let zone = |name: &str| ZoneTrace { name: name.to_owned(), nodes: vec![1; 800] };
    let trace = SpotTrace { tick_s: 300.0, zones: vec![zone("a"), zone("b")] };
    let prices = vec![vec![0.3; 800], (0..800).map(second).collect()];
    let charges = Charges::moving(&trace, 0.0).with_prices(prices);
    (trace, charges)
}

#[test]
fn of_two_equal_zones_the_cheaper_is_taken() {
    let (trace, charges) = two_calm_zones(|_| 0.2);
    let run = replay(&trace, &JOB, &charges, &mut Ours(BatchPlanner::in_regions(JOB, &[0, 1])), 300);
    assert!(run.decisions.iter().all(|decision| *decision == Run::Spot(1)));
}

#[test]
fn a_job_moves_once_to_a_zone_that_has_become_much_cheaper() {
    let (trace, charges) = two_calm_zones(|tick| if tick < 360 { 0.5 } else { 0.05 });
    let run = replay(&trace, &JOB, &charges, &mut Ours(BatchPlanner::in_regions(JOB, &[0, 1])), 300);
    assert_eq!(run.decisions[59], Run::Spot(0));
    assert_eq!(run.decisions[60], Run::Spot(1));
    assert_eq!(run.changeovers, Some(2));
}

#[test]
fn a_job_does_not_move_for_a_price_that_a_start_would_eat_up() {
    let (trace, charges) = two_calm_zones(|tick| if tick < 500 { 0.5 } else { 0.29 });
    let run = replay(&trace, &JOB, &charges, &mut Ours(BatchPlanner::in_regions(JOB, &[0, 1])), 300);
    assert_eq!(run.changeovers, Some(1));
}

/// What policies cost together over drawn worlds of two regions, where the second is dearer and data moves at a price.
fn costs_between_regions(move_hours: f64, dearer: f64) -> [f64; 3] {
    let job = BatchJob { move_hours, ..JOB };
    let mut totals = [0.0; 3];
    for seed in 0..12 {
        let trace = world(2, 8.0, 4.0).generate(seed);
        let prices = vec![vec![0.3; trace.ticks()], vec![0.3 * dearer; trace.ticks()]];
        let charges = Charges::moving(&trace, move_hours).with_prices(prices);
        let mut policies: [Box<dyn BatchPolicy>; 3] = [
            Box::new(Ours(BatchPlanner::in_regions(job, charges.regions()))),
            Box::new(UniformProgress::new(job, 2)),
            Box::new(Greedy::new(job, 2)),
        ];
        for (total, policy) in totals.iter_mut().zip(&mut policies) {
            *total += replay(&trace, &job, &charges, policy.as_mut(), 400).cost_hours;
        }
    }
    totals
}

#[test]
fn where_moves_and_prices_differ_ours_is_not_dearer_than_rules_that_know_of_neither() {
    for (move_hours, dearer) in [(0.0, 1.0), (0.0, 1.1), (0.0, 1.5), (0.2, 1.0), (1.0, 1.0), (4.0, 1.0), (0.5, 1.3)] {
        let [ours, uniform, greedy] = costs_between_regions(move_hours, dearer);
        let least = uniform.min(greedy);
        assert!(ours < 1.02 * least, "moves {move_hours} h, price x {dearer}: {ours} against {uniform} and {greedy}");
    }
}

/// A tick cut short by the deadline, and traces of a second a tick.
#[test]
fn ticks_of_seconds_are_decided_too() {
    for (tick_s, work_hours, deadline_hours, changeover_hours) in
        [(300.0, 1.0005, 1.0005, 0.0), (1.0, 0.1, 0.15, 0.01), (3.5, 0.5, 0.7, 0.02)]
    {
        let job = BatchJob { work_hours, deadline_hours, changeover_hours, ..JOB };
        let trace = SpotWorld { zones: 2, tick_s, ..world(2, 0.1, 0.1) }.generate(5);
        let run = replay(&trace, &job, &Charges::moving(&trace, 0.0), &mut Ours(BatchPlanner::new(job, 2)), 0);
        assert!(!run.missed, "{tick_s} s");
    }
}

#[test]
fn the_optimum_is_exact_where_all_is_known() {
    let up = |ticks: usize, tick_s: f64| {
        let zone = |name: &str| ZoneTrace { name: name.to_owned(), nodes: vec![1; ticks] };
        SpotTrace { tick_s, zones: vec![zone("a")] }
    };
    for (ticks, tick_s) in [(320, 300.0), (3_000, 32.0)] {
        let trace = up(ticks, tick_s);
        let cost = optimum_cost_hours(&trace, &JOB, &Charges::moving(&trace, 0.0), 0);
        let exact = (JOB.work_hours + JOB.changeover_hours) * JOB.price_ratio;
        assert!(cost <= exact + 1e-9 && cost > exact - 2.0 * tick_s / 3_600.0 * JOB.price_ratio, "{cost} {exact}");
    }
    // The first zone ends after ten hours: the rest waits for nothing, so it moves, and the move is charged once.
    let zone = |name: &str, up: std::ops::Range<usize>| ZoneTrace {
        name: name.to_owned(),
        nodes: (0..320).map(|tick| u32::from(up.contains(&tick))).collect(),
    };
    let trace = SpotTrace { tick_s: 300.0, zones: vec![zone("a", 0..120), zone("b", 120..320)] };
    let cost = |move_hours: f64| optimum_cost_hours(&trace, &JOB, &Charges::moving(&trace, move_hours), 0);
    assert!((cost(1.5) - cost(0.0) - 1.5).abs() < 1e-9, "{} {}", cost(1.5), cost(0.0));
}
