//! Checkpoints: every hour held is accounted for, nothing beats knowing the losses, and nobody does.

use proptest::prelude::*;
use simulator::checkpoint::{CheckpointCosts, CheckpointPolicy, Fixed, Hours, Ours, Young, bound, replay};
use simulator::generate::SpotWorld;
use simulator::trace::{SpotTrace, ZoneTrace};

const COSTS: CheckpointCosts = CheckpointCosts { write_hours: 0.05, start_hours: 0.1, notice_s: 0.0 };

fn policies(write_hours: f64) -> Vec<Box<dyn CheckpointPolicy>> {
    vec![Box::new(Ours::new(write_hours)), Box::new(Young::new(write_hours)), Box::new(Fixed { every_hours: 1.0 })]
}

fn world(up_hours: f64, seed: u64) -> SpotTrace {
    SpotWorld { zones: 1, ticks: 2_000, long_up_hours: up_hours, ..SpotWorld::default() }.generate(seed)
}

fn zone(nodes: &[u32]) -> SpotTrace {
    SpotTrace { tick_s: 3_600.0, zones: vec![ZoneTrace { name: "a".to_owned(), nodes: nodes.to_vec() }] }
}

fn run(nodes: &[u32], costs: CheckpointCosts, every_hours: f64) -> Hours {
    replay(&zone(nodes), 0, &costs, &mut Fixed { every_hours })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn hours_add_up_and_nothing_beats_the_bound(
        seed in any::<u64>(), up in 0.5_f64..30.0, write in 0.0_f64..0.3, start in 0.0_f64..0.3, notice_s in 0.0_f64..400.0,
    ) {
        let trace = world(up, seed);
        let costs = CheckpointCosts { write_hours: write, start_hours: start, notice_s };
        let known = bound(&trace, 0, &costs);
        for policy in &mut policies(write) {
            let hours = replay(&trace, 0, &costs, policy.as_mut());
            prop_assert!((hours.held() - known.held()).abs() < 1e-6, "{hours:?} {known:?}");
            prop_assert_eq!(hours.losses, known.losses);
            prop_assert!(hours.useful <= known.useful + 1e-6, "{:?} {:?}", hours, known);
            prop_assert!(hours.lost >= -1e-9);
        }
    }

    /// What comes after the last tick seen changes nothing before it: the hours of a trace that is cut while up are those
    /// of a longer one, whatever follows.
    #[test]
    fn a_cadence_is_the_same_whatever_comes_after(seed in any::<u64>(), cut in 1_usize..1_500) {
        let trace = world(6.0, seed);
        let asked = |trace: &SpotTrace| -> Vec<Vec<f64>> {
            policies(0.05)
                .iter_mut()
                .map(|policy| {
                    let ticks = trace.zones[0].nodes.iter().take(cut);
                    ticks.map(|nodes| {
                        policy.observe(*nodes > 0, trace.tick_s);
                        policy.interval_hours()
                    }).collect()
                })
                .collect()
        };
        prop_assert_eq!(asked(&trace), asked(&trace.truncated(cut)));
    }
}

#[test]
fn what_was_not_written_is_lost() {
    // Ten hours: 0.1 to start, then 1 h of work and 0.05 h of writing at a time; nine writes end, the rest is lost.
    let hours = run(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0], COSTS, 1.0);
    assert_eq!((hours.writes, hours.losses), (9, 1));
    assert!((hours.useful - 9.0).abs() < 1e-9 && (hours.lost - 0.45).abs() < 1e-9, "{hours:?}");
    assert!((hours.starting - 0.1).abs() < 1e-9 && (hours.writing - 0.45).abs() < 1e-9, "{hours:?}");
}

#[test]
fn a_notice_saves_the_rest_when_a_write_fits_in_it() {
    let nodes = [1, 1, 1, 1, 0];
    let late = run(&nodes, CheckpointCosts { notice_s: 200.0, ..COSTS }, 100.0);
    assert_eq!((late.useful, late.writes), (0.0, 0), "180 s do not fit in 0.7 of 200 s");
    let early = run(&nodes, CheckpointCosts { notice_s: 300.0, ..COSTS }, 100.0);
    assert!((early.useful - (4.0 - 0.1 - 300.0 / 3_600.0)).abs() < 1e-9, "{early:?}");
    assert_eq!(early.writes, 1);
}

#[test]
fn work_is_kept_when_the_trace_ends_before_a_loss() {
    let hours = run(&[0, 1, 1], COSTS, 100.0);
    assert!((hours.useful - 1.9).abs() < 1e-9 && hours.losses == 0, "{hours:?}");
}

/// On average over worlds: most spells are short and some last for days, which one mean life does not tell apart.
#[test]
fn ours_keeps_more_than_youngs_interval_and_than_one_an_hour() {
    let mut useful = [0.0; 3];
    for seed in 0..20 {
        let trace = world(12.0, seed);
        for (sum, policy) in useful.iter_mut().zip(&mut policies(COSTS.write_hours)) {
            *sum += replay(&trace, 0, &COSTS, policy.as_mut()).useful;
        }
    }
    assert!(useful[0] > useful[1] && useful[0] > useful[2], "ours, Young, hourly: {useful:?}");
}
