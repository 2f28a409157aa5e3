//! Jobs with a deadline on a spot trace: the world, the rivals, the bound and the report.

mod charges;
mod optimum;
mod rivals;
mod world;

use clap::{Args, ValueEnum};
use planning::spot::BatchJob;
use serde::Serialize;

use charges::move_hours;
pub use charges::{Charges, PriceArgs};
pub use optimum::optimum_cost_hours;
pub use rivals::{Greedy, UniformProgress};
pub use world::{BatchPolicy, BatchRun, Ours, replay};

use crate::problem::{SimulationError, at_least, positive, share};
use crate::trace::{SpotTrace, read_spot_traces};

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchPolicyName {
    /// `planning::spot::batch`.
    Ours,
    /// Uniform Progress (Can't Be Late, NSDI 2024).
    UniformProgress,
    /// Spot while there is slack, on-demand once there is none.
    Greedy,
    /// The bound: the cheapest schedule with the whole trace known.
    Optimum,
}

/// `simulate spot-batch`.
#[derive(Debug, Clone, Args)]
pub struct SpotBatchArgs {
    /// Folder of spot traces, one JSON file a zone.
    #[arg(long)]
    pub traces: std::path::PathBuf,
    /// Hours of work on one instance.
    #[arg(long)]
    pub work_hours: f64,
    /// Hours within which the work must be done.
    #[arg(long)]
    pub deadline_hours: f64,
    /// Hours paid and lost at every start on an instance.
    #[arg(long, default_value_t = 0.1)]
    pub changeover_hours: f64,
    /// Spot price as a share of on-demand.
    #[arg(long, default_value_t = 0.333)]
    pub price_ratio: f64,
    /// How many jobs start, evenly spaced.
    #[arg(long, default_value_t = 12)]
    pub starts: usize,
    /// `each` zone by itself, `all` zones at once, or the zones named, at once.
    #[arg(long, default_value = "each")]
    pub zones: String,
    /// Gigabytes that move with the job between regions.
    #[arg(long, default_value_t = 0.0)]
    pub egress_gb: f64,
    /// Dollars of one on-demand hour, to weigh egress against it.
    #[arg(long, default_value_t = 3.06)]
    pub on_demand_usd_hour: f64,
    /// Prices that change, by region.
    #[command(flatten)]
    pub prices: PriceArgs,
    /// Who decides.
    #[arg(long, value_enum)]
    pub policy: BatchPolicyName,
}

/// What came of it. Costs are shares of running the whole work on on-demand.
#[derive(Debug, Clone, Serialize)]
pub struct BatchReport {
    /// Who decided.
    pub policy: BatchPolicyName,
    /// Jobs run.
    pub runs: usize,
    /// Jobs that missed the deadline.
    pub missed: usize,
    /// Mean cost.
    pub cost_ratio: f64,
    /// The lowest spot price: nothing can cost less.
    pub floor: f64,
    /// Share of the cost that was on-demand; nothing for the optimum, which keeps no schedule.
    pub on_demand_share: Option<f64>,
    /// Mean starts on an instance, per job; nothing for the optimum.
    pub changeovers_per_run: Option<f64>,
    /// Mean cost by group of zones.
    pub by_zone: Vec<ZoneCost>,
}

/// The mean cost of one group of zones.
#[derive(Debug, Clone, Serialize)]
pub struct ZoneCost {
    /// The zone, or the zones joined by commas.
    pub zones: String,
    /// Mean cost.
    pub cost_ratio: f64,
}

/// Most jobs of one run.
const STARTS_MAX: usize = 100_000;

/// Runs every job on the traces of a folder.
pub fn spot_batch(args: &SpotBatchArgs) -> Result<BatchReport, SimulationError> {
    checked_job(args)?;
    spot_batch_on(&read_spot_traces(&args.traces)?, args)
}

/// Runs every job on `trace`, whatever `args.traces` says.
pub fn spot_batch_on(trace: &SpotTrace, args: &SpotBatchArgs) -> Result<BatchReport, SimulationError> {
    let job = checked_job(args)?;
    let groups = zone_groups(trace, &args.zones)?;
    let mut runs: Vec<BatchRun> = Vec::new();
    let mut by_zone = Vec::new();
    let mut floor = f64::INFINITY;
    for group in &groups {
        let starts = start_ticks(group, &job, args.starts)?;
        let charges = Charges::moving(group, job.move_hours);
        let charges = charges.with_history(&args.prices, group)?;
        floor = floor.min(charges.floor(&job));
        let world = world::BatchWorld { trace: group, job, charges };
        let group_runs: Vec<BatchRun> = starts.iter().map(|start| world.run(args.policy, *start)).collect();
        let names: Vec<&str> = group.zones.iter().map(|zone| zone.name.as_str()).collect();
        by_zone.push(ZoneCost { zones: names.join(","), cost_ratio: mean_cost(&group_runs) / job.work_hours });
        runs.extend(group_runs);
    }
    let changeovers = runs.iter().map(|run| run.changeovers).sum::<Option<usize>>();
    Ok(BatchReport {
        policy: args.policy,
        runs: runs.len(),
        missed: runs.iter().filter(|run| run.missed).count(),
        cost_ratio: mean_cost(&runs) / job.work_hours,
        floor,
        on_demand_share: on_demand_share(&runs),
        changeovers_per_run: changeovers.map(|count| count as f64 / runs.len() as f64),
        by_zone,
    })
}

fn mean_cost(runs: &[BatchRun]) -> f64 {
    runs.iter().map(|run| run.cost_hours).sum::<f64>() / runs.len().max(1) as f64
}

fn on_demand_share(runs: &[BatchRun]) -> Option<f64> {
    let total: f64 = runs.iter().map(|run| run.cost_hours).sum();
    let on_demand: f64 = runs.iter().map(|run| run.on_demand_hours).sum::<Option<f64>>()?;
    (total > 0.0).then_some(on_demand / total)
}

fn checked_job(args: &SpotBatchArgs) -> Result<BatchJob, SimulationError> {
    let job = BatchJob {
        work_hours: positive("work-hours", args.work_hours)?,
        deadline_hours: positive("deadline-hours", args.deadline_hours)?,
        changeover_hours: at_least("changeover-hours", args.changeover_hours, 0.0)?,
        price_ratio: share("price-ratio", args.price_ratio)?,
        move_hours: move_hours(
            at_least("egress-gb", args.egress_gb, 0.0)?,
            positive("on-demand-usd-hour", args.on_demand_usd_hour)?,
        ),
    };
    if args.starts == 0 || args.starts > STARTS_MAX {
        return Err(SimulationError::argument("starts", format!("{} is not 1 to {STARTS_MAX} jobs", args.starts)));
    }
    if job.deadline_hours < job.work_hours + job.changeover_hours {
        let cause = format!(
            "{} h of work after {} h of start cannot be done in {} h, even on on-demand alone",
            job.work_hours, job.changeover_hours, job.deadline_hours
        );
        return Err(SimulationError::argument("deadline-hours", cause));
    }
    Ok(job)
}

fn zone_groups(trace: &SpotTrace, zones: &str) -> Result<Vec<SpotTrace>, SimulationError> {
    match zones {
        "all" => Ok(vec![trace.clone()]),
        "each" => trace.zones.iter().map(|zone| trace.only(std::slice::from_ref(&zone.name))).collect(),
        named => {
            let names: Vec<String> = named.split(',').map(|name| name.trim().to_owned()).collect();
            Ok(vec![trace.only(&names)?])
        }
    }
}

/// Evenly spaced ticks, the first and the last that leave room for the deadline among them.
fn start_ticks(trace: &SpotTrace, job: &BatchJob, starts: usize) -> Result<Vec<usize>, SimulationError> {
    let deadline_ticks = world::deadline_ticks(job, trace.tick_s);
    let Some(room) = trace.ticks().checked_sub(deadline_ticks) else {
        let hours = trace.ticks() as f64 * trace.tick_s / 3_600.0;
        let cause = format!("the trace lasts {hours:.1} h, less than the deadline of {} h", job.deadline_hours);
        return Err(SimulationError::argument("deadline-hours", cause));
    };
    Ok((0..starts).map(|start| if starts == 1 { 0 } else { start * room / (starts - 1) }).collect())
}
