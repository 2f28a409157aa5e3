//! Autoscaling on a trace of request rates: the world, the rivals, the bound and the report.

mod rates;
mod rivals;
mod world;

use clap::{Args, ValueEnum};
use planning::autoscale::{AutoscaleGoal, Autoscaler};
use serde::Serialize;

pub use rates::{Between, Rates, read_rates};
pub use rivals::{Knative, Oracle, SkyServe};
pub use world::{Ours, ScaleRun, ScalingPolicy, View, replay};

use crate::problem::{SimulationError, at_least, positive, share};

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalePolicyName {
    /// `planning::autoscale`.
    Ours,
    /// Knative's pod autoscaler at 70 % of capacity.
    Knative,
    /// SkyServe's request-rate autoscaler with its defaults.
    #[value(name = "skyserve")]
    #[serde(rename = "skyserve")]
    SkyServe,
    /// Knows the rate of the next sample.
    Oracle,
}

/// `simulate autoscale`.
#[derive(Debug, Clone, Args)]
pub struct AutoscaleArgs {
    /// CSV of rates: model, t_seconds, requests_per_second_total, active_clients.
    #[arg(long)]
    pub rates: std::path::PathBuf,
    /// Requests per second that one replica carries.
    #[arg(long)]
    pub rps_per_replica: f64,
    /// Seconds from a launch until a replica serves.
    #[arg(long, default_value_t = 183.0)]
    pub cold_start_seconds: f64,
    /// What the rate does between two samples of the file.
    #[arg(long, value_enum, default_value = "linear")]
    pub between: Between,
    /// Share of requests that may find no capacity, which `ours` aims at.
    #[arg(long, default_value_t = 0.001)]
    pub over_capacity_share: f64,
    /// Who decides.
    #[arg(long, value_enum)]
    pub policy: ScalePolicyName,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct ScaleReport {
    /// Who decided.
    pub policy: ScalePolicyName,
    /// Hours of replicas, loading ones among them.
    pub replica_hours: f64,
    /// Share of requests that came when capacity was full.
    pub over_capacity_share: f64,
    /// Share of time in which the rate was over capacity.
    pub short_share: f64,
    /// Replicas launched.
    pub launches: usize,
    /// Hours of the fewest replicas that carry the rate at every second, with nothing ever loading: a bound.
    pub bound_hours: f64,
    /// Days replayed.
    pub days: f64,
}

/// Most replicas at the peak; bounds the memory of the world.
const MAX_PEAK_REPLICAS: f64 = 1e6;

/// Runs the whole trace.
pub fn autoscale(args: &AutoscaleArgs) -> Result<ScaleReport, SimulationError> {
    let per_replica = positive("rps-per-replica", args.rps_per_replica)?;
    let cold_start_s = at_least("cold-start-seconds", args.cold_start_seconds, 0.0)?;
    let allowed = share("over-capacity-share", positive("over-capacity-share", args.over_capacity_share)?)?;
    let rates = read_rates(&args.rates, args.between)?;
    if rates.peak() / per_replica > MAX_PEAK_REPLICAS {
        let cause = format!("the peak rate of {} would need over {MAX_PEAK_REPLICAS} replicas", rates.peak());
        return Err(SimulationError::argument("rps-per-replica", cause));
    }
    let run = match args.policy {
        ScalePolicyName::Ours => {
            let goal = AutoscaleGoal {
                cold_start_s,
                over_capacity_share: allowed,
                replicas_min: 0,
                replicas_max: u32::MAX,
                drain_s: cold_start_s.max(60.0),
                cold_request_replica_s: 10.0 * cold_start_s,
            };
            replay(&rates, per_replica, cold_start_s, &mut Ours(Autoscaler::new(goal)))
        }
        ScalePolicyName::Knative => replay(&rates, per_replica, cold_start_s, &mut Knative::default()),
        ScalePolicyName::SkyServe => replay(&rates, per_replica, cold_start_s, &mut SkyServe::default()),
        ScalePolicyName::Oracle => {
            replay(&rates, per_replica, cold_start_s, &mut Oracle::new(&rates, per_replica, cold_start_s))
        }
    };
    Ok(ScaleReport {
        policy: args.policy,
        replica_hours: run.replica_s / 3_600.0,
        over_capacity_share: if run.requests > 0.0 { run.requests_over / run.requests } else { 0.0 },
        short_share: run.short_s / rates.span_s(),
        launches: run.launches,
        bound_hours: run.needed_s / 3_600.0,
        days: rates.span_s() / 86_400.0,
    })
}
