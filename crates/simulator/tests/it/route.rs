//! Routing: every request is accounted for, none is served before it came, and no policy sees the future.

use std::collections::BTreeMap;
use std::path::Path;

use crate::line::simulate;
use planning::balance::ForecastWeights;
use proptest::prelude::*;
use simulator::route::{
    Conversations, Outage, Requests, RoutePolicyName, RouteRun, World, named, parse_world, read_requests, read_world,
    replay,
};

const POLICIES: [RoutePolicyName; 4] = [
    RoutePolicyName::Ours,
    RoutePolicyName::RoundRobin,
    RoutePolicyName::LeastOutstanding,
    RoutePolicyName::PrefixHash,
];

fn world() -> World {
    read_world(&Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/three-regions.toml"), None).unwrap()
}

fn run(world: &World, requests: &Requests, name: RoutePolicyName) -> RouteRun {
    replay(world, requests, named(name, ForecastWeights::default(), 2, 1).as_mut(), true)
}

fn load(requests: usize, per_second: f64, seed: u64) -> Requests {
    Conversations { requests, per_second, ..Conversations::default() }.generate(seed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_request_is_accounted_for_and_none_is_early(
        seed in any::<u64>(), per_second in 0.5_f64..6.0,
        outages in proptest::collection::vec((0_usize..3, 0_u64..150_000_000, 0_u64..120_000_000), 0..5),
    ) {
        let mut world = world();
        world.outages = outages
            .iter()
            .map(|(region, from_us, length_us)| Outage { region: *region, from_us: *from_us, until_us: from_us + length_us })
            .collect();
        let requests = load(300, per_second, seed);
        for name in POLICIES {
            let run = run(&world, &requests, name);
            prop_assert_eq!(run.completed + run.too_large + run.unserved, 300);
            prop_assert_eq!(run.impossible, 0);
            prop_assert!(run.ttft_s.len() as u64 >= run.completed);
            prop_assert!(run.usd >= 0.0 && run.usd.is_finite());
            if outages.is_empty() {
                prop_assert_eq!((run.completed, run.resent), (300, 0));
            }
        }
    }

    #[test]
    fn no_decision_depends_on_what_comes_after(seed in any::<u64>(), cut in 1_usize..299) {
        let (world, requests) = (world(), load(300, 3.0, seed));
        let until_us = requests.list()[cut].at_us;
        for name in POLICIES {
            let whole = run(&world, &requests, name).decisions;
            let seen = run(&world, &requests.truncated(cut), name).decisions;
            prop_assert_eq!(&whole[..cut], &seen[..], "{:?} until {}", name, until_us);
        }
    }

    #[test]
    fn no_decision_depends_on_an_answer_not_yet_given(seed in any::<u64>(), factor in 2_u32..9) {
        let (world, requests) = (world(), load(200, 4.0, seed));
        // Answers of thousands of tokens take longer than all arrivals: their length cannot be known by then.
        // Rounded up: an answer that ended within the last second would rightly be known.
        let span_s = requests.list().last().unwrap().at_us / 1_000_000 + 2;
        let long = u32::try_from(span_s * 1_000 / 20 + 1).unwrap();
        let (one, other) = (requests.with_outputs(|_, _| long), requests.with_outputs(|index, _| {
            if index % 2 == 0 { long } else { long * factor }
        }));
        let mut roomy = world;
        roomy.replicas.iter_mut().for_each(|replica| (replica.slots, replica.kv_blocks) = (1_000, 10_000_000));
        for name in POLICIES {
            prop_assert_eq!(run(&roomy, &one, name).decisions, run(&roomy, &other, name).decisions);
        }
    }

    #[test]
    fn who_is_bound_stays(seed in any::<u64>()) {
        let mut world = world();
        world.regions.iter_mut().for_each(|region| region.bound_share = 1.0);
        let requests = load(200, 2.0, seed);
        let mut wide = world.clone();
        wide.regions.iter_mut().for_each(|region| region.jurisdiction = "one".to_owned());
        let mut homes: BTreeMap<u32, usize> = BTreeMap::new();
        for name in POLICIES {
            // A client's region is drawn by the world's seed alone: bound requests show it, alike for every policy.
            for (request, replica) in run(&world, &requests, name).decisions {
                let region = world.replicas[replica as usize].region;
                prop_assert_eq!(*homes.entry(request).or_insert(region), region);
            }
            let regions = |run: RouteRun| run.decisions.iter().map(|(_, to)| *to).collect::<Vec<_>>();
            prop_assert_ne!(regions(run(&wide, &requests, name)), regions(run(&world, &requests, name)));
        }
    }
}

#[test]
fn ours_is_faster_and_cheaper_than_each_rival_on_seeds_not_fitted_to() {
    for seed in [101, 102] {
        let (world, requests) = (world(), load(2_500, 2.4, seed));
        let figures = |name| {
            let mut run = run(&world, &requests, name);
            run.ttft_s.sort_by(f32::total_cmp);
            let mean = run.ttft_s.iter().map(|ttft| f64::from(*ttft)).sum::<f64>() / run.ttft_s.len() as f64;
            (mean, f64::from(run.ttft_s[run.ttft_s.len() * 99 / 100]), run.usd)
        };
        let ours = figures(RoutePolicyName::Ours);
        for rival in [RoutePolicyName::LeastOutstanding, RoutePolicyName::PrefixHash] {
            let theirs = figures(rival);
            assert!(ours.0 < 0.9 * theirs.0 && ours.1 < theirs.1 && ours.2 < theirs.2, "{rival:?} {ours:?} {theirs:?}");
        }
    }
}

#[test]
fn malformed_requests_are_refused_with_their_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let good = r#"{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":[0]}"#;
    std::fs::write(file.path(), format!("\u{feff}{good}\n")).unwrap();
    assert_eq!(read_requests(file.path()).unwrap().list().len(), 1);
    for (text, said) in [
        (String::new(), "holds no request"),
        (format!("{good}\nnonsense\n"), "line 2"),
        (format!("{good}\n{}\n", good.replace("\"timestamp\":0", "\"timestamp\":-1")), "line 2: timestamp is -1"),
        (good.replace("\"input_length\":1", "\"input_length\":0"), "input_length is 0"),
        (good.replace("\"output_length\":1", "\"output_length\":-5"), "line 1"),
        (good.replace("\"hash_ids\":[0]", "\"other\":1"), "hash_ids"),
    ] {
        std::fs::write(file.path(), &text).unwrap();
        let cause = read_requests(file.path()).unwrap_err().to_string();
        assert!(cause.contains(said), "{text:?}: {cause}");
    }
}

#[test]
fn a_malformed_world_is_refused_with_its_reason() {
    let good = include_str!("../../worlds/three-regions.toml");
    for (from, to, said) in [
        ("rtt_ms = 76.0", "rtt_ms = -1.0", "rtt_ms is -1"),
        ("slots = 64", "slots = 0", "no slots"),
        ("seed = 7", "seed = 7\nsurprise = 1", "surprise"),
        ("between = [\"us-east\", \"eu-west\"]", "between = [\"us-east\", \"mars\"]", "no region \"mars\""),
        ("bound_share = 0.2", "bound_share = 2.0", "bound_share"),
        ("between = [\"us-east\", \"eu-west\"]", "between = [\"us-east\", \"asia-east\"]", "no link"),
    ] {
        let cause = parse_world(&good.replacen(from, to, 1), None).unwrap_err();
        assert!(cause.contains(said), "{to}: {cause}");
    }
}

/// What one drawn or read load comes to in the world of three regions.
fn routed(words: &str, folder: &Path) -> Result<serde_json::Value, String> {
    let world = include_str!("../../worlds/three-regions.toml");
    std::fs::write(folder.join("world.toml"), world).unwrap();
    simulate(&format!("route --world DIR/world.toml --policy ours {words}"), folder)
}

#[test]
fn what_fits_no_replica_is_too_large_at_once_and_nothing_served_has_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"{"timestamp":0,"input_length":2000000,"output_length":5,"hash_ids":[]}"#;
    std::fs::write(folder.path().join("r.jsonl"), line).unwrap();
    let report = routed("--requests DIR/r.jsonl", folder.path()).unwrap();
    assert_eq!((&report["too_large"], &report["unserved"]), (&1.into(), &0.into()), "{report}");
    assert_eq!(report["span_s"], 0.0);
    for figure in ["mean_ttft_s", "p50_ttft_s", "p99_ttft_s"] {
        assert!(report[figure].is_null(), "{report}");
    }
}

#[test]
fn a_drawn_load_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for count in ["0", "99999999999"] {
        let cause = routed(&format!("--generate {count}"), folder.path()).unwrap_err();
        assert!(cause.contains("--generate") && cause.contains("the limit of 50000000"), "{cause}");
    }
    assert!(routed("--generate 50", folder.path()).unwrap()["mean_ttft_s"].is_number());
}
