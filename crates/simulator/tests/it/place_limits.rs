//! Placement under quotas that tasks share and a budget: the same as trying every plan, and as a whole-number programme.

use planning::placement::problem::{Market, Quota, QuotaUnit};
use planning::placement::{Costs, PlacementError, Problem, WhyNot, bindings, place, why_not};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulator::place::solve_as_ilp;
use simulator::place::world::{Shape, generate};

/// A small problem with quotas that some plans break, and a budget near what the best plan without one costs.
fn limited(seed: u64, tasks: usize, offers: usize) -> Problem {
    let mut rng = StdRng::seed_from_u64(seed);
    let shape = [Shape::Chain, Shape::Tree, Shape::Layers(3), Shape::Random(30)][rng.random_range(0..4)];
    let mut problem = generate(shape, tasks, offers, seed);
    problem.lambda_usd_per_hour = [0.0, 5.0, 500.0][rng.random_range(0..3)];
    for at in 0..rng.random_range(0..4) {
        let offer = &problem.offers[rng.random_range(0..offers)];
        let unit = if rng.random_bool(0.3) { QuotaUnit::Vcpus } else { QuotaUnit::Instances };
        problem.quotas.push(Quota {
            name: format!("quota-{at}"),
            limit: rng.random_range(1..6) * if unit == QuotaUnit::Vcpus { 16 } else { 1 },
            unit,
            place: [String::new(), offer.cloud.clone(), offer.place()][rng.random_range(0..3)].clone(),
            families: if rng.random_bool(0.5) { vec![offer.family.clone()] } else { Vec::new() },
            markets: if rng.random_bool(0.3) { vec![Market::Spot] } else { Vec::new() },
        });
    }
    if rng.random_bool(0.5)
        && let Ok(free) = place(&problem)
    {
        let money = (free.plans[0].machines + free.plans[0].egress) as f64 / 1e9;
        problem.budget_usd = Some(money * rng.random_range(0.8..1.05));
    }
    problem
}

/// Whether a plan keeps the budget and, for every set of tasks that may run at once, every quota.
fn keeps(problem: &Problem, costs: &Costs, offers: &[usize]) -> bool {
    let count = offers.len();
    let number = |name: &str| problem.tasks.iter().position(|task| task.name == name).unwrap();
    let mut before = vec![vec![false; count]; count];
    problem.edges.iter().for_each(|edge| before[number(&edge.from)][number(&edge.to)] = true);
    // As many rounds as the longest path has edges.
    for _ in 0..count {
        for (a, b, c) in (0..count).flat_map(|a| (0..count).flat_map(move |b| (0..count).map(move |c| (a, b, c)))) {
            before[a][c] |= before[a][b] && before[b][c];
        }
    }
    let bill = costs.bill(problem, offers);
    let budget = problem.budget_usd.is_none_or(|usd| bill.money() <= domain::Money::from_dollars(usd));
    budget
        && (1_u32..1 << count).all(|set| {
            let members: Vec<usize> = (0..count).filter(|task| set >> task & 1 == 1).collect();
            let may_overlap = members.iter().all(|a| members.iter().all(|b| !before[*a][*b]));
            !may_overlap
                || problem.quotas.iter().all(|quota| {
                    let takes = |task: &usize| {
                        u64::from(quota.units(&problem.offers[offers[*task]]))
                            * u64::from(problem.tasks[*task].instances)
                    };
                    members.iter().map(takes).sum::<u64>() <= u64::from(quota.limit)
                })
        })
}

/// The least costs of all plans that keep the limits, least first.
fn every_plan(problem: &Problem) -> Vec<i64> {
    let costs = Costs::new(problem).unwrap();
    let mut partial: Vec<Vec<usize>> = vec![Vec::new()];
    for row in &costs.task {
        let allowed: Vec<usize> = (0..row.len()).filter(|offer| row[*offer].is_ok()).collect();
        partial =
            partial.iter().flat_map(|head| allowed.iter().map(|offer| [head.as_slice(), &[*offer]].concat())).collect();
    }
    partial.retain(|offers| keeps(problem, &costs, offers));
    let mut sums: Vec<i64> = partial.iter().map(|offers| costs.bill(problem, offers).objective()).collect();
    sums.sort_unstable();
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_three_best_plans_within_the_limits(seed in 0_u64..1_000_000, tasks in 1_usize..6, offers in 2_usize..7) {
        let problem = limited(seed, tasks, offers);
        let best: Vec<i64> = match Costs::new(&problem) {
            Ok(costs) if costs.task.iter().all(|row| row.iter().any(Result::is_ok)) => every_plan(&problem),
            _ => return Ok(()),
        };
        match place(&problem) {
            Ok(found) => {
                let ours: Vec<i64> = found.plans.iter().map(|plan| plan.objective).collect();
                prop_assert_eq!(ours, best.into_iter().take(3).collect::<Vec<_>>());
                prop_assert_eq!(found.lower_bound, found.objective);
            }
            Err(PlacementError::OverBudget { .. } | PlacementError::OverQuota { .. }) => prop_assert!(best.is_empty()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

#[test]
fn the_whole_number_programme_finds_the_same_within_the_limits() {
    let mut solved = 0;
    for seed in 0..60 {
        let problem = limited(seed, 5, 8);
        let Ok(found) = place(&problem) else { continue };
        if problem.quotas.is_empty() && problem.budget_usd.is_none() {
            continue;
        }
        let costs = Costs::new(&problem).unwrap();
        let oracle = solve_as_ilp(&problem, &costs).unwrap();
        let cost = costs.bill(&problem, &oracle).objective();
        // The programme works in floating point: it may stop at a slightly dearer plan, or keep a budget by a hair.
        let tolerance = 1_000 + cost / 1_000_000;
        assert!((found.objective - cost).abs() <= tolerance, "seed {seed}: {} and {cost}", found.objective);
        solved += 1;
    }
    assert!(solved > 15, "{solved}");
}

/// Two tasks side by side, then a third; the cheap machines are few.
const FORK: &str = r#"{
  "tasks": [{"name": "left", "hours": 1, "instances": 4}, {"name": "right", "hours": 1, "instances": 4},
            {"name": "join", "hours": 1, "instances": 4}],
  "edges": [{"from": "left", "to": "join"}, {"from": "right", "to": "join"}],
  "offers": [
    {"name": "cheap", "cloud": "aws", "region": "us-east-1", "family": "p4", "usd_per_hour": 1, "vcpus": 96},
    {"name": "dear", "cloud": "aws", "region": "us-east-1", "family": "p5", "usd_per_hour": 2, "vcpus": 96}
  ],
  "quotas": [{"name": "p4 in us-east-1", "limit": 4, "place": "aws:us-east-1", "families": ["p4"]}]
}"#;

fn fork() -> Problem {
    serde_json::from_str(FORK).unwrap()
}

#[test]
fn tasks_that_may_run_at_once_share_a_quota_and_later_ones_use_it_again() {
    let found = place(&fork()).unwrap();
    assert_eq!(found.objective, 16_000_000_000);
    assert_eq!(found.plans[0].offers[2], 0, "the third task runs when the others are done");
    assert_ne!(found.plans[0].offers[0], found.plans[0].offers[1]);
    let binding = bindings(&fork(), &found).unwrap();
    assert_eq!(binding.len(), 1);
    assert_eq!((binding[0].name.as_str(), binding[0].saves), ("p4 in us-east-1", 4_000_000_000));
    let mut counted = fork();
    counted.quotas[0] = Quota { limit: 4 * 96 - 1, unit: QuotaUnit::Vcpus, ..counted.quotas[0].clone() };
    assert_eq!(place(&counted).unwrap().objective, 24_000_000_000, "one processor short for any of them");
    let reason = why_not(&counted, "left", "cheap").unwrap();
    assert!(matches!(reason, WhyNot::Rejected(reason) if reason.to_string() == "quota too small"));
    // In order they no longer compete.
    let mut chain = fork();
    chain.edges[1] = planning::placement::problem::Edge { from: "left".into(), to: "right".into(), gb: 0.0 };
    chain.edges.push(planning::placement::problem::Edge { from: "right".into(), to: "join".into(), gb: 0.0 });
    assert_eq!(place(&chain).unwrap().objective, 12_000_000_000);
}

#[test]
fn what_no_plan_can_keep_is_said_with_its_name() {
    let mut few = fork();
    few.quotas.push(Quota { name: "all".into(), limit: 7, ..Quota::default() });
    assert_eq!(
        place(&few).unwrap_err().to_string(),
        "no plan keeps the quotas p4 in us-east-1, all: raise one, or put tasks in order so that fewer run at once"
    );
    let poor = Problem { budget_usd: Some(15.0), ..fork() };
    assert_eq!(place(&poor).unwrap_err().to_string(), "the cheapest plan costs $16.0000 and the budget is $15.0000");
    // The dear machines for all cost 24.
    let tight = Problem { budget_usd: Some(16.0), ..fork() };
    let WhyNot::NoPlan { cause } = why_not(&tight, "join", "dear").unwrap() else { panic!("there is no such plan") };
    assert_eq!(cause.to_string(), "the cheapest plan costs $20.0000 and the budget is $16.0000");
    let twice = FORK.replace(r#""quotas": ["#, r#""quotas": [{"name": "p4 in us-east-1", "limit": 1}, "#);
    let twice: Problem = serde_json::from_str(&twice).unwrap();
    assert_eq!(place(&twice).unwrap_err().to_string(), "quota \"p4 in us-east-1\" is there twice");
}
