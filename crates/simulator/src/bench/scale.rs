//! Autoscaling on the production rates: hours paid against requests that found no capacity.

use std::path::Path;

use super::Row;
use crate::autoscale::{AutoscaleArgs, Between, ScalePolicyName, ScaleReport, autoscale};
use crate::problem::SimulationError;
use crate::svg::{Chart, Series};

const POLICIES: [(ScalePolicyName, &str); 4] = [
    (ScalePolicyName::Knative, "Knative, 70 %"),
    (ScalePolicyName::SkyServe, "SkyServe"),
    (ScalePolicyName::Oracle, "one-sample oracle"),
    (ScalePolicyName::Ours, "ours"),
];

pub fn compare(rates: &Path) -> Result<(Vec<Row>, Chart), SimulationError> {
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for between in [Between::Linear, Between::Step] {
        let reports = POLICIES.iter().map(|(policy, _)| run(rates, between, *policy)).collect::<Result<Vec<_>, _>>()?;
        if between == Between::Linear {
            let point = |report: &ScaleReport| vec![(report.replica_hours, report.over_capacity_share * 100.0)];
            let named = POLICIES.iter().zip(&reports);
            series = named
                .map(|((_, name), report)| Series { name: (*name).to_owned(), points: point(report), joined: false })
                .collect();
        }
        rows.extend(row(between, &reports));
    }
    let chart = Chart {
        title: "14 days of ServeGen m-large, 5 requests/s a replica, cold start 183 s".to_owned(),
        across: "replica-hours".to_owned(),
        up: "requests over capacity (%)".to_owned(),
        series,
    };
    Ok((rows, chart))
}

fn run(rates: &Path, between: Between, policy: ScalePolicyName) -> Result<ScaleReport, SimulationError> {
    autoscale(&AutoscaleArgs {
        rates: rates.to_owned(),
        rps_per_replica: 5.0,
        cold_start_seconds: 183.0,
        between,
        over_capacity_share: 0.001,
        policy,
    })
}

fn row(between: Between, reports: &[ScaleReport]) -> Option<Row> {
    let [knative, skyserve, oracle, ours] = reports else { return None };
    let figures = |report: &ScaleReport| {
        format!(
            "{:.0} h, {:.3} % over, {:.1} % of time short",
            report.replica_hours,
            report.over_capacity_share * 100.0,
            report.short_share * 100.0
        )
    };
    let times_oracle = ours.replica_hours / oracle.replica_hours;
    let how = match between {
        Between::Linear => "rate in straight lines between samples",
        Between::Step => "rate jumps at each sample",
    };
    Some(Row {
        what: format!("autoscale, ServeGen m-large, 14 days, {how}"),
        rivals: format!(
            "Knative {}; SkyServe {}; one-sample oracle {}",
            figures(knative),
            figures(skyserve),
            figures(oracle)
        ),
        ours: format!("{}, {times_oracle:.3} × oracle", figures(ours)),
        bound: format!("{:.0} h with nothing ever loading", ours.bound_hours),
        aim: "≤ 1.05 × oracle, ≤ 0.1 % over".to_owned(),
        met: Some(times_oracle <= 1.05 && ours.over_capacity_share <= 0.001),
    })
}
