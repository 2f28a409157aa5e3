//! Batch work on the availability traces: 48 hours of work, several deadlines, each zone alone and all together.

use std::path::{Path, PathBuf};

use super::Row;
use crate::batch::{BatchPolicyName, BatchReport, PriceArgs, SpotBatchArgs, spot_batch_on};
use crate::generate::SpotWorld;
use crate::problem::SimulationError;
use crate::svg::{Chart, Series};
use crate::trace::{SpotTrace, read_spot_traces};

const WORK_HOURS: f64 = 48.0;
const PRICE_RATIO: f64 = 0.333;
/// Jobs per group of zones: those of the published bar.
const STARTS: usize = 12;
/// A drawn world: 22.6 days in ticks of 195 s.
const DRAWN_TICKS: usize = 10_000;
const DRAWN_TICK_S: f64 = 195.0;
const DRAWN_SEED: u64 = 1;
const POLICIES: [(BatchPolicyName, &str); 4] = [
    (BatchPolicyName::Greedy, "greedy"),
    (BatchPolicyName::UniformProgress, "Uniform Progress"),
    (BatchPolicyName::Ours, "ours"),
    (BatchPolicyName::Optimum, "optimum"),
];

pub fn compare(name: &str, folder: &Path) -> Result<(Vec<Row>, Chart), SimulationError> {
    let mut rows = Vec::new();
    let mut series: Vec<Series> = POLICIES
        .iter()
        .map(|(_, name)| Series { name: (*name).to_owned(), points: Vec::new(), joined: true })
        .collect();
    let trace = read_spot_traces(folder)?;
    let names = unseen_zones(&trace);
    let mut sets =
        vec![ZoneSet { names: names.clone(), wants_each: true }, ZoneSet { names: names.clone(), wants_each: false }];
    if names.len() < trace.zones.len() {
        sets.push(ZoneSet { names: trace.zones.iter().map(|zone| zone.name.clone()).collect(), wants_each: false });
    }
    for zones in sets {
        for deadline_hours in [52.0, 60.0, 72.0] {
            let mut reports = Vec::new();
            for (policy, _) in POLICIES {
                reports.push(run(&trace, &zones, deadline_hours, policy)?);
            }
            if zones.wants_each {
                for (series, report) in series.iter_mut().zip(&reports) {
                    series.points.push((deadline_hours, report.cost_ratio));
                }
            }
            rows.push(row(name, &zones, deadline_hours, &reports));
        }
    }
    let chart = Chart {
        title: format!("48 h of work, one zone at a time, {name}"),
        across: "deadline (hours)".to_owned(),
        up: "cost, as a share of on-demand".to_owned(),
        series,
    };
    Ok((rows, chart))
}

/// The same on nine zones of the project's own generator, where one is up at nearly any time.
pub fn drawn() -> Result<Vec<Row>, SimulationError> {
    let shape = SpotWorld { zones: 9, ticks: DRAWN_TICKS, tick_s: DRAWN_TICK_S, ..SpotWorld::default() };
    let trace = shape.generate(DRAWN_SEED);
    let names = trace.zones.iter().map(|zone| zone.name.clone()).collect();
    let zones = ZoneSet { names, wants_each: false };
    let reports =
        POLICIES.iter().map(|(policy, _)| run(&trace, &zones, 60.0, *policy)).collect::<Result<Vec<_>, _>>()?;
    Ok(vec![row("drawn", &zones, 60.0, &reports)])
}

/// Zones to run: each by itself or all together.
struct ZoneSet {
    names: Vec<String>,
    wants_each: bool,
}

/// The zones on which no prior was fitted: those of K80 were.
pub fn unseen_zones(trace: &SpotTrace) -> Vec<String> {
    let all = || trace.zones.iter().map(|zone| zone.name.clone());
    let unseen: Vec<String> = all().filter(|name| !name.contains("k80")).collect();
    if unseen.is_empty() { all().collect() } else { unseen }
}

fn run(
    trace: &SpotTrace,
    zones: &ZoneSet,
    deadline_hours: f64,
    policy: BatchPolicyName,
) -> Result<BatchReport, SimulationError> {
    let on = |zones: String| {
        let args = SpotBatchArgs {
            traces: PathBuf::new(),
            work_hours: WORK_HOURS,
            deadline_hours,
            changeover_hours: 0.1,
            price_ratio: PRICE_RATIO,
            starts: STARTS,
            zones,
            egress_gb: 0.0,
            on_demand_usd_hour: 3.06,
            prices: PriceArgs::default(),
            policy,
        };
        spot_batch_on(trace, &args)
    };
    if !zones.wants_each {
        return on(zones.names.join(","));
    }
    let reports = zones.names.iter().map(|zone| on(zone.clone())).collect::<Result<Vec<_>, _>>()?;
    let mean = |figure: fn(&BatchReport) -> f64| reports.iter().map(figure).sum::<f64>() / reports.len() as f64;
    Ok(BatchReport {
        policy,
        runs: reports.iter().map(|report| report.runs).sum(),
        missed: reports.iter().map(|report| report.missed).sum(),
        cost_ratio: mean(|report| report.cost_ratio),
        floor: PRICE_RATIO,
        on_demand_share: None,
        changeovers_per_run: None,
        by_zone: Vec::new(),
    })
}

fn row(name: &str, zones: &ZoneSet, deadline_hours: f64, reports: &[BatchReport]) -> Row {
    let cost = |policy: BatchPolicyName| {
        reports.iter().find(|report| report.policy == policy).map_or(f64::NAN, |report| report.cost_ratio)
    };
    let missed: usize =
        reports.iter().filter(|report| report.policy == BatchPolicyName::Ours).map(|report| report.missed).sum();
    let (rival, ours, optimum) =
        (cost(BatchPolicyName::UniformProgress), cost(BatchPolicyName::Ours), cost(BatchPolicyName::Optimum));
    let closed = (rival - ours) / (rival - optimum);
    let over_floor = ours / PRICE_RATIO;
    let runs = reports.first().map_or(0, |report| report.runs);
    let (how, aim, reached) = if zones.wants_each {
        (format!("each of {} zones", zones.names.len()), "≥ 60 % of the gap, 0 missed", closed >= 0.6)
    } else {
        (format!("{} zones together", zones.names.len()), "≤ 1.03 × floor, 0 missed", over_floor <= 1.03)
    };
    Row {
        what: format!("batch, {how}, 48 h in {deadline_hours} h, {runs} jobs, {name}"),
        rivals: format!("Uniform Progress {rival:.4}, greedy {:.4}", cost(BatchPolicyName::Greedy)),
        ours: format!("{ours:.4}: {:.0} % of the gap closed, {over_floor:.3} × floor, {missed} missed", closed * 100.0),
        bound: format!("optimum {optimum:.4} = {:.3} × floor", optimum / PRICE_RATIO),
        aim: aim.to_owned(),
        met: (deadline_hours == 60.0).then_some(reached && missed == 0),
    }
}
