//! Serving four replicas on the preemption traces: cost at a given share of time with all replicas ready.

use std::path::Path;

use planning::spot::ServingGoal;

use super::Row;
use crate::problem::SimulationError;
use crate::serve::{ServePolicyName, ServeReport, SpotServeArgs, clairvoyant, spot_serve};
use crate::svg::{Chart, Series};
use crate::trace::read_spot_traces;

const TARGETS: [f64; 4] = [0.98, 0.99, 0.995, 0.999];
const GOAL: ServingGoal =
    ServingGoal { replicas: 4, cold_start_s: 183.0, price_ratio: 0.3, target_availability: 0.995 };
/// SpotHedge's frontier is drawn over these numbers of spare replicas.
const SPARES: std::ops::RangeInclusive<u32> = 0..=6;

pub fn compare(name: &str, folder: &Path) -> Result<(Vec<Row>, Chart), SimulationError> {
    let run = |policy, target_availability, extra| {
        spot_serve(&SpotServeArgs {
            traces: folder.to_owned(),
            replicas: GOAL.replicas,
            cold_start_seconds: GOAL.cold_start_s,
            price_ratio: GOAL.price_ratio,
            target_availability,
            extra,
            policy,
        })
    };
    let hedge = SPARES
        .map(|extra| run(ServePolicyName::SpotHedge, GOAL.target_availability, extra))
        .collect::<Result<Vec<_>, _>>()?;
    let ours =
        TARGETS.map(|target| run(ServePolicyName::Ours, target, 0)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let paid = clairvoyant(&read_spot_traces(folder)?, &GOAL);
    let rows = TARGETS.iter().zip(&ours).map(|(target, report)| row(name, *target, report, &hedge, paid)).collect();
    let points = |reports: &[ServeReport]| -> Vec<(f64, f64)> {
        reports.iter().map(|report| (report.availability * 100.0, report.cost_ratio)).collect()
    };
    let chart = Chart {
        title: format!("Four replicas, cold start 183 s, spot at 0.3, {name}"),
        across: "share of time with all replicas ready (%)".to_owned(),
        up: "cost, as a share of on-demand".to_owned(),
        series: vec![
            Series { name: "SpotHedge, 0 to 6 spare".to_owned(), points: points(&hedge), joined: true },
            Series { name: "ours, by target".to_owned(), points: points(&ours), joined: true },
            Series {
                name: "omniscient, no cold start".to_owned(),
                points: ours.first().map(|report| (100.0, report.bound)).into_iter().collect(),
                joined: false,
            },
        ],
    };
    Ok((rows, chart))
}

fn row(name: &str, target: f64, ours: &ServeReport, hedge: &[ServeReport], paid: Option<f64>) -> Row {
    let frontier = cost_at(hedge, target);
    let saving = 1.0 - ours.cost_ratio / frontier;
    let mut aim = "≥ 15 % below the frontier".to_owned();
    let mut met = ours.availability >= target && saving >= 0.15;
    if (target - 0.995).abs() < 1e-9 {
        aim += ", ≤ 0.45";
        met &= ours.cost_ratio <= 0.45;
    }
    Row {
        what: format!("serving at {:.1} % of time, {name}", target * 100.0),
        rivals: format!("SpotHedge frontier {frontier:.3}"),
        ours: format!(
            "{:.3} at {:.2} %: {:.0} % below, {:.1} preemptions a day",
            ours.cost_ratio,
            ours.availability * 100.0,
            saving * 100.0,
            ours.preemptions_per_day
        ),
        bound: format!("omniscient {:.3}", ours.bound)
            + &paid.map_or_else(String::new, |paid| format!(", with its cold starts paid {paid:.3}")),
        aim,
        met: Some(met),
    }
}

/// The frontier's cost at a share of time, in a straight line between the two settings around it.
fn cost_at(reports: &[ServeReport], availability: f64) -> f64 {
    let between =
        reports.windows(2).find(|pair| pair[0].availability <= availability && availability <= pair[1].availability);
    match between {
        Some([low, high]) if high.availability > low.availability => {
            let share = (availability - low.availability) / (high.availability - low.availability);
            low.cost_ratio + share * (high.cost_ratio - low.cost_ratio)
        }
        // Below the first setting there is nothing cheaper; above the last, on-demand alone does it.
        _ => reports.first().filter(|first| availability <= first.availability).map_or(1.0, |first| first.cost_ratio),
    }
}
