//! A day of a million requests a second over sixty regions, as flows.

use planning::balance::ForecastWeights;

use super::Row;
use super::bars::{self, beside};
use super::parts::Part;
use crate::flows::{FlowArgs, FlowPolicyName, FlowReport, Scaling, flows};
use crate::problem::SimulationError;
use crate::stopwatch::Stopwatch;
use crate::svg::{Bars, Panel};

const POLICIES: [(FlowPolicyName, &str); 5] = [
    (FlowPolicyName::RoundRobin, "every region alike"),
    (FlowPolicyName::LeastLoaded, "by what is free"),
    (FlowPolicyName::Nearest, "nearest"),
    (FlowPolicyName::Waterfall, "nearest until full"),
    (FlowPolicyName::Ours, "ours"),
];
const REGIONS: usize = 60;
const REQUESTS_PER_SECOND: f64 = 1e6;
/// What the aim speaks of.
const DAY_HOURS: f64 = 24.0;

/// The flows under every policy.
pub fn compare(hours: f64) -> Result<Part, SimulationError> {
    let mut reports = Vec::with_capacity(POLICIES.len());
    let mut processor_s = 0.0;
    for (policy, _) in POLICIES {
        let watch = Stopwatch::start();
        reports.push(flows(&arguments(hours, policy))?);
        processor_s = watch.processor_s();
    }
    let Some((ours, rivals)) = reports.split_last() else { return Ok(Part { rows: Vec::new(), pictures: Vec::new() }) };
    let told: Vec<String> =
        rivals.iter().zip(POLICIES).map(|(report, (_, name))| format!("{name} {}", figures(report))).collect();
    let row = Row {
        what: format!(
            "flows, {hours} h of 1,000,000 requests/s over {REGIONS} generated regions: mean and p99 latency, dollars, served"
        ),
        rivals: told.join("; "),
        ours: format!(
            "{}; replayed in {processor_s:.1} s of one thread, {:.1} s by the clock",
            figures(ours),
            ours.seconds
        ),
        bound: format!(
            "{:.2} million replica-hours needed, {:.2} used",
            ours.bound_hours / 1e6,
            ours.replica_hours / 1e6
        ),
        aim: "a day of it on two cores; no bar for the figures".to_owned(),
        met: (hours >= DAY_HOURS)
            .then_some(ours.regions == REGIONS && ours.requests >= 0.9 * REQUESTS_PER_SECOND * hours * 3_600.0),
    };
    let pictures = vec![("flows-sixty-regions".to_owned(), picture(hours, &reports).into())];
    Ok(Part { rows: beside(vec![row], &bars::FLOWS), pictures })
}

fn arguments(hours: f64, policy: FlowPolicyName) -> FlowArgs {
    FlowArgs {
        world: None,
        generate: true,
        regions: REGIONS,
        requests_per_second: Some(REQUESTS_PER_SECOND),
        hours,
        step_seconds: 20.0,
        seed: None,
        outage: Vec::new(),
        network: None,
        policy,
        scaling: Scaling::Ours,
        seconds_per_dollar: ForecastWeights::default().seconds_per_dollar,
    }
}

fn figures(report: &FlowReport) -> String {
    format!(
        "{:.3} s, {:.3} s, ${:.3} million, {:.4} %",
        report.all.mean_latency_s,
        report.all.p99_latency_s,
        report.usd / 1e6,
        report.all.served_share * 100.0
    )
}

fn picture(hours: f64, reports: &[FlowReport]) -> Bars {
    Bars {
        title: format!("{hours} h of a million requests a second over {REGIONS} regions, by who divides the flows"),
        subtitle: "Less is better. Latency is that of whole answers, the way there and back among it.".to_owned(),
        rows: POLICIES.iter().map(|(_, name)| (*name).to_owned()).collect(),
        panels: vec![
            Panel::of(reports, "mean latency (s)", |report| report.all.mean_latency_s, |value| format!("{value:.2} s")),
            Panel::of(
                reports,
                "99th percentile of it (s)",
                |report| report.all.p99_latency_s,
                |value| format!("{value:.2} s"),
            ),
            Panel::of(
                reports,
                "cost (millions of dollars)",
                |report| report.usd / 1e6,
                |value| format!("${value:.2} m"),
            ),
        ],
    }
}
