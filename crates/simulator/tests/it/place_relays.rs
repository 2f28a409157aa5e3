//! Placement with relays: the same as trying every offer and every way by the price list itself.

use planning::egress::{Bytes, Ledger, Place, cheapest_route, known_regions};
use planning::placement::problem::Relay;
use planning::placement::{Costs, Problem, Relayed, bindings, place};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulator::place::world::{Shape, generate};

/// A small problem between regions that have no cheap way, with relays of which some tasks allow only a few.
fn relayed(seed: u64, tasks: usize, offers: usize) -> Problem {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut problem = generate([Shape::Tree, Shape::Random(60)][rng.random_range(0..2)], tasks, offers, seed);
    problem.lambda_usd_per_hour = 0.0;
    for offer in &mut problem.offers {
        let (cloud, region) =
            [("gcp", "us-west4"), ("aws", "ap-southeast-2"), ("aws", "af-south-1"), ("azure", "westus")]
                [rng.random_range(0..4)];
        (offer.cloud, offer.region) = (cloud.to_owned(), region.to_owned());
        // So that nothing is gained by having everything in one place.
        offer.quota = None;
    }
    for (task, data) in problem.tasks.iter_mut().zip(0..) {
        task.instances = 1;
        if rng.random_bool(0.3) {
            task.residency = vec!["aws".to_owned(), "gcp".to_owned()];
        }
        task.families = vec![["general", "compute", "accelerated"][data % 3].to_owned()];
    }
    let known = known_regions();
    for at in 0..rng.random_range(1..5) {
        let region = &known[(seed as usize * 5 + at * 17) % known.len()];
        problem.relays.push(Relay { place: region.to_string(), ..Relay::default() });
    }
    problem.relays.push(Relay { place: "aws:ca-central-1".into(), jurisdiction: "ca".into(), ..Relay::default() });
    problem.relays.dedup_by(|a, b| a.place == b.place);
    problem
}

/// The least cost of all plans, with every transfer priced by `planning::egress`.
fn cheapest(problem: &Problem) -> Option<i64> {
    // Machines alone; their filters are tested elsewhere.
    let bare = Problem { edges: Vec::new(), relays: Vec::new(), ..problem.clone() };
    let costs = Costs::new(&bare).unwrap();
    let parse = |text: &str| text.parse::<Place>().unwrap();
    let number = |name: &str| problem.tasks.iter().position(|task| task.name == name).unwrap();
    let way = |from: &str, to: &str, gb: f64, tasks: &[usize]| {
        let passes = |relay: &&Relay| {
            tasks.iter().all(|task| {
                let allowed = &problem.tasks[*task].residency;
                let cloud = relay.place.split(':').next().unwrap();
                allowed.is_empty() || allowed.iter().any(|name| *name == relay.jurisdiction || name == cloud)
            })
        };
        let relays: Vec<Place> = problem.relays.iter().filter(passes).map(|relay| parse(&relay.place)).collect();
        let amount = Bytes::from_gb(gb).unwrap();
        cheapest_route(&parse(from), &parse(to), amount, &Ledger::default(), &relays).unwrap().price.0
    };
    let mut plans: Vec<Vec<usize>> = vec![Vec::new()];
    for row in &costs.task {
        let allowed: Vec<usize> = (0..row.len()).filter(|offer| row[*offer].is_ok()).collect();
        plans =
            plans.iter().flat_map(|head| allowed.iter().map(|offer| [head.as_slice(), &[*offer]].concat())).collect();
    }
    let cost = |offers: Vec<usize>| {
        let place = |task: usize| problem.offers[offers[task]].place();
        let mut sum = costs.bill(&bare, &offers).machines;
        for (at, task) in problem.tasks.iter().enumerate() {
            sum += task.inputs.iter().map(|data| way(&data.place, &place(at), data.gb, &[at])).sum::<i64>();
        }
        for edge in &problem.edges {
            let (from, to) = (number(&edge.from), number(&edge.to));
            sum += way(&place(from), &place(to), edge.gb, &[from, to]);
        }
        sum
    };
    plans.into_iter().map(cost).min()
}

#[test]
fn the_best_plan_of_all_ways_and_some_go_through_a_relay() {
    let mut through = 0;
    for seed in 0..80 {
        let problem = relayed(seed, 4, 8);
        let Ok(found) = place(&problem) else { continue };
        assert_eq!(Some(found.objective), cheapest(&problem), "seed {seed}");
        assert_eq!(found.lower_bound, found.objective, "seed {seed}");
        through += usize::from(!found.plans[0].relays.is_empty());
    }
    assert!(through > 5, "{through}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn relays_never_make_a_plan_dearer(seed in 0_u64..1_000_000) {
        let problem = relayed(seed, 6, 20);
        let without = Problem { relays: Vec::new(), ..problem.clone() };
        if let (Ok(with), Ok(without)) = (place(&problem), place(&without)) {
            prop_assert!(with.objective <= without.objective);
            prop_assert!(without.plans[0].relays.is_empty());
        }
    }
}

/// Data in Google's Las Vegas for a task that must run on Amazon's Sydney; through Canada it is cheaper (see `planning::egress`).
const FAR: &str = r#"{
  "tasks": [{"name": "read", "hours": 1, "residency": ["aws:ap-southeast-2", "ca"],
             "inputs": [{"place": "gcp:us-west4", "gb": 1000}]}],
  "offers": [{"name": "sydney", "cloud": "aws", "region": "ap-southeast-2", "usd_per_hour": 1}],
  "relays": [{"place": "aws:ca-central-1", "jurisdiction": "ca"}]
}"#;

fn far() -> Problem {
    serde_json::from_str(FAR).unwrap()
}

#[test]
fn a_relay_is_named_and_weighed_with_residency_outage_time_and_machine() {
    let found = place(&far()).unwrap();
    let named = Relayed { from: "gcp:us-west4".into(), to: "read".into(), via: "aws:ca-central-1".into() };
    assert_eq!(found.plans[0].relays, [named]);
    // 0.12 a gigabyte out of Google and 0.02 between Amazon's regions, and an hour at a dollar.
    assert_eq!(found.objective, 141_000_000_000);
    let direct = 191_000_000_000;
    let without = |change: &dyn Fn(&mut Problem)| {
        let mut problem = far();
        change(&mut problem);
        let found = place(&problem).unwrap();
        (found.plans[0].relays.len(), found.objective)
    };
    assert_eq!(without(&|problem| problem.relays.clear()), (0, direct));
    assert_eq!(without(&|problem| problem.tasks[0].residency.truncate(1)), (0, direct), "Canada is outside");
    assert_eq!(without(&|problem| problem.outages.push("aws:ca-central-1".into())), (0, direct));
    // 1.19 hours to Canada at 2 Gbit/s and 0.48 on at 5: with a machine at 40 dollars an hour it is dearer than directly.
    assert_eq!(without(&|problem| problem.relays[0].usd_per_hour = 40.0), (0, direct));
    let (relays, with_machine) = without(&|problem| problem.relays[0].usd_per_hour = 1.0);
    assert!(relays == 1 && (142_600_000_000..142_700_000_000).contains(&with_machine), "{with_machine}");
    assert_eq!(without(&|problem| problem.lambda_usd_per_hour = 200.0).0, 0, "waiting 0.48 hours longer costs more");
    let mut bound = far();
    bound.tasks[0].residency.truncate(1);
    let found = place(&bound).unwrap();
    let binding = bindings(&bound, &found).unwrap();
    assert_eq!(binding.len(), 1);
    assert_eq!(
        (binding[0].constraint.to_string().as_str(), binding[0].saves),
        ("outside the residency", 50_000_000_000)
    );
}

#[test]
fn a_relay_that_is_wrong_is_refused() {
    for (from, to, said) in [
        (r#""jurisdiction": "ca"}"#, r#""usd_per_hour": -1}"#, "relays[0].usd_per_hour is -1"),
        ("aws:ca-central-1", "aws:moon-1", "no price from"),
        (r#""jurisdiction": "ca"}"#, r#""speed": 1}"#, "unknown field `speed`"),
    ] {
        let problem: Result<Problem, _> = serde_json::from_str(&FAR.replace(from, to));
        let cause = match problem {
            Ok(problem) => place(&problem).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(cause.contains(said), "{cause}");
    }
}
