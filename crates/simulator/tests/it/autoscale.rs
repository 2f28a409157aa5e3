//! Autoscaling: figures add up, the objective is met below a reactive rival's cost, and no policy sees the future.

use planning::autoscale::{AutoscaleGoal, Autoscaler};
use proptest::prelude::*;
use simulator::autoscale::{Between, Knative, Ours, Rates, ScalingPolicy, SkyServe, read_rates, replay};
use simulator::generate::request_rates;

const GOAL: AutoscaleGoal = AutoscaleGoal {
    cold_start_s: 183.0,
    over_capacity_share: 0.001,
    replicas_min: 0,
    replicas_max: u32::MAX,
    drain_s: 183.0,
    cold_request_replica_s: 1_830.0,
};

fn policies() -> Vec<Box<dyn ScalingPolicy>> {
    vec![Box::new(Ours(Autoscaler::new(GOAL))), Box::new(Knative::default()), Box::new(SkyServe::default())]
}

fn linear(samples: Vec<(f64, f64)>) -> Rates {
    Rates::new(samples, Between::Linear).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn no_decision_depends_on_what_comes_after(seed in any::<u64>(), cut in 2_usize..140) {
        let samples = request_rates(1, 100.0, seed);
        let mut other = samples.clone();
        other[cut..].iter_mut().for_each(|(_, rate)| *rate *= 3.0);
        let (rates, other) = (linear(samples), linear(other));
        for (policy, twin) in policies().iter_mut().zip(&mut policies()) {
            // The line towards the first changed sample starts at the one before it.
            let known = (cut - 1) * 600 / policy.interval_s();
            let seen = replay(&rates, 5.0, 183.0, policy.as_mut()).decisions;
            let unseen = replay(&other, 5.0, 183.0, twin.as_mut()).decisions;
            prop_assert_eq!(&seen[..known], &unseen[..known]);
        }
    }

    #[test]
    fn nobody_pays_less_than_is_needed_but_by_being_short(seed in any::<u64>()) {
        let rates = linear(request_rates(2, 60.0, seed));
        for policy in &mut policies() {
            let run = replay(&rates, 5.0, 183.0, policy.as_mut());
            prop_assert!(run.requests_over <= run.requests);
            prop_assert!(run.replica_s + run.requests_over >= run.requests / 5.0);
        }
    }
}

#[test]
fn ours_meets_its_objective_well_below_knative() {
    for seed in 0..2 {
        let rates = linear(request_rates(5, 150.0, seed));
        let ours = replay(&rates, 5.0, 183.0, &mut Ours(Autoscaler::new(GOAL)));
        let knative = replay(&rates, 5.0, 183.0, &mut Knative::default());
        assert!(ours.requests_over < 0.001 * ours.requests, "seed {seed}: {}", ours.requests_over / ours.requests);
        assert!(ours.replica_s < 0.85 * knative.replica_s, "seed {seed}");
    }
}

#[test]
fn a_step_reads_as_a_step_and_a_line_as_a_line() {
    let samples = vec![(100.0, 10.0), (200.0, 20.0), (300.0, 0.0)];
    let step = Rates::new(samples.clone(), Between::Step).unwrap();
    let line = linear(samples);
    assert_eq!([step.at(0.0), step.at(99.0), step.at(100.0), step.at(1e9)], [10.0, 10.0, 20.0, 0.0]);
    assert_eq!([line.at(0.0), line.at(50.0), line.at(150.0), line.at(1e9)], [10.0, 15.0, 10.0, 0.0]);
    assert_eq!(line.span_s(), 300.0);
}

#[test]
fn a_malformed_file_is_refused_with_its_line() {
    let header = "model,t_seconds,requests_per_second_total,active_clients";
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, said) in [
        (String::new(), "first line"),
        ("a,b\n1,2\n".to_owned(), "first line"),
        (format!("{header}\nm,0,1,1\n"), "fewer than two"),
        (format!("{header}\nm,0,1,1\nm,60,-1,1\n"), "line 3"),
        (format!("{header}\nm,0,1,1\nm,60,x,1\n"), "requests_per_second_total is \"x\""),
        (format!("{header}\nm,0,1,1\nm,0,2,1\n"), "does not come after"),
        (format!("{header}\nm,0,1,1\nother,60,2,1\n"), "second model"),
        (format!("{header}\nm,0,1\n"), "3 columns"),
        (format!("{header}\nm,0,5,1\nm,1e12,9,1\n"), "line 3: t_seconds 1e12 is over 400 days"),
    ] {
        std::fs::write(file.path(), &text).unwrap();
        let cause = read_rates(file.path(), Between::Linear).unwrap_err().to_string();
        assert!(cause.contains(said), "{text:?}: {cause}");
    }
}
