//! Checkpoints on the availability traces: the share of spot hours that is work kept.

use std::path::Path;

use super::Row;
use super::batch::unseen_zones;
use crate::checkpoint::{CheckpointArgs, CheckpointPolicyName, CheckpointReport, checkpoint_on};
use crate::problem::SimulationError;
use crate::svg::{Chart, Series};
use crate::trace::read_spot_traces;

const WRITE_HOURS: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];
/// The one in the table.
const SHOWN_HOURS: f64 = 0.05;
const POLICIES: [(CheckpointPolicyName, &str); 4] = [
    (CheckpointPolicyName::Fixed, "one an hour"),
    (CheckpointPolicyName::Young, "Young, one mean life"),
    (CheckpointPolicyName::Ours, "ours"),
    (CheckpointPolicyName::Omniscient, "each loss known"),
];

pub fn compare(name: &str, folder: &Path) -> Result<(Vec<Row>, Chart), SimulationError> {
    let all = read_spot_traces(folder)?;
    let trace = all.only(&unseen_zones(&all))?;
    let mut rows = Vec::new();
    let series = |(_, name): &(CheckpointPolicyName, &str)| Series {
        name: (*name).to_owned(),
        points: Vec::new(),
        joined: true,
    };
    let mut series: Vec<Series> = POLICIES.iter().map(series).collect();
    for write_hours in WRITE_HOURS {
        let run = |(policy, _): &(CheckpointPolicyName, &str)| {
            let traces = folder.to_owned();
            let (start_hours, notice_seconds, every_hours) = (0.1, 0.0, 1.0);
            let args =
                CheckpointArgs { traces, write_hours, start_hours, notice_seconds, every_hours, policy: *policy };
            checkpoint_on(&trace, &args)
        };
        let [fixed, young, ours, known] = POLICIES.each_ref().map(run);
        let reports = [fixed?, young?, ours?, known?];
        for (series, report) in series.iter_mut().zip(&reports) {
            series.points.push((write_hours * 60.0, report.useful_share));
        }
        if write_hours == SHOWN_HOURS {
            rows.push(row(name, &reports));
        }
    }
    let chart = Chart {
        title: format!("Work kept of the spot hours paid, {name}"),
        across: "minutes to write a checkpoint".to_owned(),
        up: "share of hours held".to_owned(),
        series,
    };
    Ok((rows, chart))
}

fn row(name: &str, [fixed, young, ours, known]: &[CheckpointReport; 4]) -> Row {
    let percent = |share: f64| share * 100.0;
    Row {
        what: format!("checkpoints that take 3 min, starts 6 min, no notice, {name}"),
        rivals: format!(
            "one an hour {:.1} % of hours are work kept, Young for one mean life {:.1} %",
            percent(fixed.useful_share),
            percent(young.useful_share)
        ),
        ours: format!(
            "{:.1} %: {:.1} % lost, {:.1} % writing, {:.1} % starting",
            percent(ours.useful_share),
            percent(ours.lost_share),
            percent(ours.write_share),
            percent(ours.start_share)
        ),
        bound: format!("{:.1} % with each loss known", percent(known.useful_share)),
        aim: "more than each".to_owned(),
        met: Some(ours.useful_share > fixed.useful_share.max(young.useful_share)),
    }
}
