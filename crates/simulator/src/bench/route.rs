//! Routing: the public conversations in a world of three regions, and the speed of single requests.

use std::path::Path;

use planning::balance::ForecastWeights;
use rustc_hash::FxHashSet;

use super::Row;
use super::bars::{self, beside};
use super::parts::Part;
use crate::problem::SimulationError;
use crate::route::{
    Conversations, Requests, RoutePolicyName, RouteReport, World, measured, named, parse_world, read_requests,
};
use crate::stopwatch::Stopwatch;
use crate::svg::{Bars, Panel, in_threes};

/// The world that the figures speak of.
const WORLD: &str = include_str!("../../worlds/three-regions.toml");
const WORLD_PATH: &str = "crates/simulator/worlds/three-regions.toml";
const POLICIES: [(RoutePolicyName, &str); 4] = [
    (RoutePolicyName::RoundRobin, "round robin"),
    (RoutePolicyName::LeastOutstanding, "least outstanding"),
    (RoutePolicyName::PrefixHash, "prefix hash"),
    (RoutePolicyName::Ours, "ours"),
];
/// Leading blocks that `prefix-hash` hashes, the command's default.
const PREFIX_BLOCKS: usize = 2;
/// How often the speed is measured.
const REPETITIONS: usize = 3;

fn world() -> Result<World, SimulationError> {
    parse_world(WORLD, None).map_err(|cause| SimulationError::malformed(Path::new(WORLD_PATH), cause))
}

fn run(world: &World, requests: &Requests, policy: RoutePolicyName) -> RouteReport {
    let mut chosen = named(policy, ForecastWeights::default(), PREFIX_BLOCKS, world.seed);
    measured(policy, world, requests, chosen.as_mut())
}

/// The public conversations under every policy.
pub fn compare(requests: &Path) -> Result<Part, SimulationError> {
    let (world, requests) = (world()?, read_requests(requests)?);
    let reports: Vec<RouteReport> = POLICIES.iter().map(|(policy, _)| run(&world, &requests, *policy)).collect();
    let Some((ours, rivals)) = reports.split_last() else { return Ok(Part { rows: Vec::new(), pictures: Vec::new() }) };
    let told: Vec<String> =
        rivals.iter().zip(POLICIES).map(|(report, (_, name))| format!("{name} {}", figures(report))).collect();
    let (least_mean, least_p99) = bound(&world, &requests);
    let is_better = |rival: &RouteReport| mean(ours) < mean(rival) && p99(ours) < p99(rival) && ours.usd < rival.usd;
    let row = Row {
        what: format!(
            "routing, {} requests of the Mooncake conversation trace, 3 regions with 4 replicas each: mean and p99 time to \
             first token, dollars of capacity used",
            in_threes(&requests.list().len().to_string())
        ),
        rivals: told.join("; "),
        ours: format!("{}; {:.1} % answered", figures(ours), ours.completed_share * 100.0),
        bound: format!(
            "{least_mean:.3} s, {least_p99:.2} s with nothing waiting and all blocks once read held everywhere"
        ),
        aim: "better than each in all three, 100 % answered".to_owned(),
        met: Some(rivals.iter().all(is_better) && ours.completed_share >= 1.0),
    };
    let pictures = vec![("route-mooncake-conversation".to_owned(), picture(&reports).into())];
    Ok(Part { rows: beside(vec![row], &bars::ROUTE), pictures })
}

/// Seconds; endless where no request saw a token, so that nothing is better by serving nobody.
fn mean(report: &RouteReport) -> f64 {
    report.mean_ttft_s.unwrap_or(f64::INFINITY)
}

fn p99(report: &RouteReport) -> f64 {
    report.p99_ttft_s.unwrap_or(f64::INFINITY)
}

fn figures(report: &RouteReport) -> String {
    format!("{:.3} s, {:.2} s, ${:.1}", mean(report), p99(report), report.usd)
}

fn picture(reports: &[RouteReport]) -> Bars {
    Bars {
        title: "Routing of the Mooncake conversation trace among 3 regions with 4 replicas each".to_owned(),
        subtitle: "Less is better. Dollars are those of capacity used and of bytes between regions.".to_owned(),
        rows: POLICIES.iter().map(|(_, name)| (*name).to_owned()).collect(),
        panels: vec![
            Panel::of(reports, "mean time to first token (s)", mean, |value| format!("{value:.2} s")),
            Panel::of(reports, "99th percentile of it (s)", p99, |value| format!("{value:.1} s")),
            Panel::of(reports, "cost (dollars)", |report| report.usd, |value| format!("${value:.0}")),
        ],
    }
}

/// What no policy beats, mean and 99th percentile: each prompt is read at once by the fastest replica, which already holds
/// every leading block that an earlier request had. The network is left out, as is waiting.
fn bound(world: &World, requests: &Requests) -> (f64, f64) {
    let fastest = world.replicas.iter().map(|replica| replica.prefill_tokens_per_second).fold(1.0, f64::max);
    let mut seen: FxHashSet<u64> = FxHashSet::default();
    let mut least: Vec<f64> = Vec::with_capacity(requests.list().len());
    for request in requests.list() {
        let blocks = requests.blocks(request);
        let held = blocks.iter().take_while(|block| seen.contains(*block)).count() as u32;
        // The last token is always read.
        let cached = held.saturating_mul(world.block_tokens).min(request.input_tokens.saturating_sub(1));
        least.push(f64::from(request.input_tokens - cached) / fastest);
        seen.extend(blocks);
    }
    let mean = least.iter().sum::<f64>() / least.len().max(1) as f64;
    least.sort_by(f64::total_cmp);
    let at = (least.len() * 99).div_ceil(100).saturating_sub(1);
    (mean, least.get(at).copied().unwrap_or_default())
}

/// How fast single requests of a generated load are worked off on one thread.
pub fn speed(count: usize) -> Result<Part, SimulationError> {
    let world = world()?;
    let shape = Conversations {
        requests: count,
        per_second: 60.0,
        turn_tokens: 200.0,
        output_tokens: 100.0,
        block_tokens: world.block_tokens,
        ..Conversations::default()
    };
    let requests = shape.generate(1);
    let (mut processor_s, mut wall_s, mut completed) = (f64::INFINITY, f64::INFINITY, 1.0_f64);
    for _ in 0..REPETITIONS {
        let watch = Stopwatch::start();
        completed = completed.min(run(&world, &requests, RoutePolicyName::Ours).completed_share);
        processor_s = processor_s.min(watch.processor_s());
        wall_s = wall_s.min(watch.wall_s());
    }
    let a_minute = |seconds: f64| count as f64 * 60.0 / seconds / 1e6;
    let row = Row {
        what: format!(
            "speed of routing, {} drawn requests as events on one thread, best of {REPETITIONS} runs",
            in_threes(&count.to_string())
        ),
        rivals: String::new(),
        ours: format!(
            "{:.1} million requests a minute of processor time, {:.1} by the clock; {:.1} % answered",
            a_minute(processor_s),
            a_minute(wall_s),
            completed * 100.0
        ),
        bound: String::new(),
        aim: "≥ 10 million a minute".to_owned(),
        met: Some(a_minute(processor_s) >= 10.0 && completed >= 1.0),
    };
    Ok(Part { rows: beside(vec![row], &bars::THROUGHPUT), pictures: Vec::new() })
}
