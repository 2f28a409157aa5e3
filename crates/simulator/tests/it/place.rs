//! Placement: proven best, the same as a whole-number programme, and quick.

use planning::placement::problem::Market;
use planning::placement::{Costs, Problem, WhyNot, bindings, place, why_not};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulator::place::read_problem;
use simulator::place::trial::{agreement, small_shape};
use simulator::place::world::{Shape, generate};

fn compare(seeds: std::ops::Range<u64>) -> usize {
    let mut solved = 0;
    for seed in seeds {
        if let Some(found) = agreement(seed) {
            assert!(found.is_proven() && found.is_same(), "seed {seed}: {found:?}");
            solved += 1;
        }
    }
    solved
}

#[test]
fn the_whole_number_programme_finds_the_same() {
    assert!(compare(0..60) > 20);
}

/// Every assignment that the filters allow, with its cost.
fn all(costs: &Costs, problem: &Problem) -> Vec<i64> {
    let mut partial: Vec<Vec<usize>> = vec![Vec::new()];
    for row in &costs.task {
        let allowed: Vec<usize> = (0..row.len()).filter(|offer| row[*offer].is_ok()).collect();
        partial =
            partial.iter().flat_map(|head| allowed.iter().map(|offer| [head.as_slice(), &[*offer]].concat())).collect();
    }
    let mut sums: Vec<i64> = partial.iter().map(|offers| costs.bill(problem, offers).objective()).collect();
    sums.sort_unstable();
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_three_plans_are_the_best_of_all(seed in 0_u64..1_000_000, tasks in 1_usize..5, offers in 1_usize..9) {
        let problem = generate(small_shape(seed), tasks, offers, seed);
        if let Ok(found) = place(&problem) {
            let costs = Costs::new(&problem).unwrap();
            let best: Vec<i64> = all(&costs, &problem).into_iter().take(3).collect();
            let ours: Vec<i64> = found.plans.iter().map(|plan| plan.objective).collect();
            prop_assert_eq!(ours, best);
            prop_assert_eq!(found.lower_bound, found.objective);
        }
    }

    #[test]
    fn no_random_plan_is_cheaper_and_filters_hold(seed in 0_u64..1_000_000, width in 2_usize..6) {
        let problem = generate(Shape::Layers(width), 20, 150, seed);
        let found = place(&problem).unwrap();
        let costs = Costs::new(&problem).unwrap();
        prop_assert!(found.lower_bound <= found.objective);
        for (task, offer) in found.plans[0].offers.iter().enumerate() {
            let (task, offer) = (&problem.tasks[task], &problem.offers[*offer]);
            prop_assert!(offer.vcpus >= task.vcpus && offer.memory_gib >= task.memory_gib);
            prop_assert!(offer.quota.is_none_or(|left| left >= task.instances));
            prop_assert!(task.markets.is_empty() || offer.market == Market::OnDemand);
        }
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..200 {
            let any: Vec<usize> = costs.task.iter().map(|row| {
                let allowed: Vec<usize> = (0..row.len()).filter(|offer| row[*offer].is_ok()).collect();
                allowed[rng.random_range(0..allowed.len())]
            }).collect();
            prop_assert!(found.lower_bound <= costs.bill(&problem, &any).objective());
        }
    }
}

/// Two tasks with 100 GB between them; the cheap machines are in two clouds, so that egress decides.
const SMALL: &str = r#"{
  "tasks": [{"name": "train", "hours": 2, "residency": ["eu"]}, {"name": "score", "hours": 1, "families": ["fast"]}],
  "edges": [{"from": "train", "to": "score", "gb": 100}],
  "offers": [
    {"name": "a", "cloud": "aws", "region": "eu-west-1", "usd_per_hour": 2, "jurisdiction": "eu", "family": "fast"},
    {"name": "b", "cloud": "gcp", "region": "europe-west1", "usd_per_hour": 1, "jurisdiction": "eu", "family": "fast"},
    {"name": "c", "cloud": "aws", "region": "us-east-1", "usd_per_hour": 0.5, "jurisdiction": "us", "family": "fast"},
    {"name": "d", "cloud": "gcp", "region": "europe-west1", "usd_per_hour": 0.1, "jurisdiction": "eu", "family": "slow"}
  ]
}"#;

fn small() -> Problem {
    serde_json::from_str(SMALL).unwrap()
}

#[test]
fn each_part_of_a_small_plan_is_as_reckoned_by_hand() {
    let found = place(&small()).unwrap();
    assert_eq!(found.plans[0].offers, [3, 1]);
    assert_eq!((found.plans[0].machines, found.plans[0].egress), (1_200_000_000, 0));
    // Crossing to another cloud costs more than a dearer machine beside the data: b, b at 2 + 1.
    assert_eq!(found.plans[1].offers, [1, 1]);
    assert_eq!(found.plans[1].objective, 3_000_000_000);
    let free = bindings(&small(), &found).unwrap();
    // Without the residency both tasks could run at 0.5 an hour, which costs 1.5: no saving. Without the family, d, d is 0.3.
    assert_eq!(free.len(), 1);
    assert_eq!(free[0].saves, 900_000_000);
}

#[test]
fn why_not_names_the_filter_or_the_price() {
    let reason = why_not(&small(), "train", "c").unwrap();
    assert!(matches!(reason, WhyNot::Rejected(reason) if reason.to_string() == "outside the residency"));
    let WhyNot::Dearer { by, .. } = why_not(&small(), "score", "c").unwrap() else { panic!("allowed") };
    // From d at 0.2 to c at 0.5 with 100 GB out of Google at 0.12, or from a at 4 with 2 between regions.
    assert_eq!(by, 4_000_000_000 + 500_000_000 + 2_000_000_000 - 1_200_000_000);
    assert!(why_not(&small(), "nothing", "c").is_err());
}

#[test]
fn a_budget_is_kept_or_refused_with_the_cheapest_price() {
    let over = Problem { budget_usd: Some(1.0), ..small() };
    assert_eq!(place(&over).unwrap_err().to_string(), "the cheapest plan costs $1.2000 and the budget is $1.0000");
    // With data on Amazon and a high price on waiting the dear machine beside it wins, until the budget forbids it.
    let mut hurried = Problem { lambda_usd_per_hour: 100.0, ..small() };
    hurried.tasks[0].inputs = vec![planning::placement::problem::FixedData { place: "aws:eu-west-1".into(), gb: 50.0 }];
    let dear = place(&hurried).unwrap();
    let kept = place(&Problem { budget_usd: Some(5.75), ..hurried.clone() }).unwrap();
    let money = |plan: &planning::placement::Plan| plan.machines + plan.egress;
    assert!(money(&dear.plans[0]) > 5_750_000_000);
    assert!(kept.plans.iter().all(|plan| money(plan) <= 5_750_000_000));
    assert!(kept.lower_bound >= dear.lower_bound && kept.lower_bound <= kept.objective);
}

#[test]
fn what_is_wrong_with_a_problem_is_said() {
    for (from, to, cause) in [
        (r#""hours": 2"#, r#""hours": -2"#, "tasks[0].hours is -2"),
        (r#""to": "score""#, r#""to": "train""#, "cycle through task"),
        (r#""to": "score""#, r#""to": "other""#, "no task \"other\""),
        (r#""name": "b""#, r#""name": "a""#, "offer \"a\" is there twice"),
        (r#""residency": ["eu"]"#, r#""residency": ["mars"]"#, "4 outside the residency"),
        ("europe-west1", "moon-1", "no price from"),
    ] {
        let problem: Problem = serde_json::from_str(&SMALL.replace(from, to)).unwrap();
        let said = place(&problem).unwrap_err().to_string();
        assert!(said.contains(cause), "{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("problem.json");
    std::fs::write(&file, SMALL.replace("hours", "minutes")).unwrap();
    assert!(read_problem(&file).unwrap_err().to_string().contains("unknown field `minutes`"));
}
