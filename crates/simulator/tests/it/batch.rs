//! Batch work: the deadline is kept, the bound bounds, and no policy sees the future.

use planning::spot::{BatchJob, BatchPlanner};
use proptest::prelude::*;
use simulator::batch::{BatchPolicy, BatchRun, Greedy, Ours, UniformProgress, optimum_cost_hours, replay};
use simulator::generate::SpotWorld;
use simulator::trace::SpotTrace;

const JOB: BatchJob = BatchJob { work_hours: 20.0, deadline_hours: 26.0, changeover_hours: 0.15, price_ratio: 0.3 };

fn run(trace: &SpotTrace, policy: &mut dyn BatchPolicy, start: usize) -> BatchRun {
    replay(trace, &JOB, &vec![vec![0.0; trace.zones.len()]; trace.zones.len()], policy, start)
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
        let free = vec![vec![0.0; zones]; zones];
        let bound = optimum_cost_hours(&trace, &JOB, &free, start);
        prop_assert!(bound >= JOB.work_hours * JOB.price_ratio - 0.02, "{}", bound);
        for policy in &mut policies(zones) {
            let result = run(&trace, policy.as_mut(), start);
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
