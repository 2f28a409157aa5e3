//! Replicas on a spot trace: the world, the rivals, the bound and the report.

mod clairvoyant;
mod rivals;
mod world;

use clap::{Args, ValueEnum};
use planning::spot::{ServingGoal, ServingPlanner};
use serde::Serialize;

pub use clairvoyant::clairvoyant;
pub use rivals::{SpotHedge, Spread};
pub use world::{Fleet, Ours, ServeRun, ServingPolicy, replay};

use crate::problem::{SimulationError, at_least, share};
use crate::trace::{SpotTrace, read_spot_traces};

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServePolicyName {
    /// `planning::spot::serving`.
    Ours,
    /// SpotHedge of SkyServe: `--extra` spare spot replicas, on-demand for what is not ready.
    #[value(name = "spothedge")]
    #[serde(rename = "spothedge")]
    SpotHedge,
    /// Spot spread evenly over the zones, without on-demand.
    Spread,
    /// The bound: spot wherever there is any and on-demand for the rest, at every moment, without cold starts.
    Omniscient,
}

/// `simulate spot-serve`.
#[derive(Debug, Clone, Args)]
pub struct SpotServeArgs {
    /// Folder of spot traces, one JSON file a zone.
    #[arg(long)]
    pub traces: std::path::PathBuf,
    /// Replicas to keep ready.
    #[arg(long)]
    pub replicas: u32,
    /// Seconds from a launch until a replica is ready.
    #[arg(long, default_value_t = 183.0)]
    pub cold_start_seconds: f64,
    /// Spot price as a share of on-demand.
    #[arg(long, default_value_t = 0.3)]
    pub price_ratio: f64,
    /// Share of time with all replicas ready that `ours` aims at.
    #[arg(long, default_value_t = 0.995)]
    pub target_availability: f64,
    /// Spare spot replicas of `spothedge` and `spread`.
    #[arg(long, default_value_t = 2)]
    pub extra: u32,
    /// Who decides.
    #[arg(long, value_enum)]
    pub policy: ServePolicyName,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct ServeReport {
    /// Who decided.
    pub policy: ServePolicyName,
    /// Cost as a share of running all replicas on on-demand.
    pub cost_ratio: f64,
    /// Share of time with all wanted replicas ready, from the end of the first cold start on.
    pub availability: f64,
    /// Spot instances taken away, a day.
    pub preemptions_per_day: f64,
    /// Share of the cost that was on-demand.
    pub on_demand_share: f64,
    /// Days replayed.
    pub days: f64,
    /// What the cheapest market with the whole trace known would cost at full availability.
    pub bound: f64,
}

/// Most replicas; bounds the search of each decision.
const MAX_REPLICAS: u32 = 64;

/// Runs the whole trace.
pub fn spot_serve(args: &SpotServeArgs) -> Result<ServeReport, SimulationError> {
    let goal = checked_goal(args)?;
    let trace = read_spot_traces(&args.traces)?;
    if trace.ticks() as f64 * trace.tick_s <= goal.cold_start_s {
        return Err(SimulationError::argument(
            "cold-start-seconds",
            "the trace ends before the first replica is ready",
        ));
    }
    let zones = trace.zones.len();
    let run = match args.policy {
        ServePolicyName::Ours => replay(&trace, &goal, &mut Ours(ServingPlanner::new(goal, zones))),
        ServePolicyName::SpotHedge => replay(&trace, &goal, &mut SpotHedge::new(goal.replicas, args.extra, zones)),
        ServePolicyName::Spread => replay(&trace, &goal, &mut Spread { replicas: goal.replicas + args.extra }),
        ServePolicyName::Omniscient => omniscient(&trace, &goal),
    };
    let days = trace.ticks() as f64 * trace.tick_s / 86_400.0;
    let all_on_demand_s = f64::from(goal.replicas) * days * 86_400.0;
    let cost_s = run.spot_s * goal.price_ratio + run.on_demand_s;
    let bound = omniscient(&trace, &goal);
    Ok(ServeReport {
        policy: args.policy,
        cost_ratio: cost_s / all_on_demand_s,
        availability: run.ready_s / run.counted_s,
        preemptions_per_day: run.preemptions as f64 / days,
        on_demand_share: if cost_s > 0.0 { run.on_demand_s / cost_s } else { 0.0 },
        days,
        bound: (bound.spot_s * goal.price_ratio + bound.on_demand_s) / all_on_demand_s,
    })
}

fn checked_goal(args: &SpotServeArgs) -> Result<ServingGoal, SimulationError> {
    if args.replicas == 0 || args.replicas > MAX_REPLICAS {
        return Err(SimulationError::argument(
            "replicas",
            format!("{} is not between 1 and {MAX_REPLICAS}", args.replicas),
        ));
    }
    if args.extra > MAX_REPLICAS {
        return Err(SimulationError::argument("extra", format!("{} is more than {MAX_REPLICAS}", args.extra)));
    }
    let target_availability = share("target-availability", args.target_availability)?;
    Ok(ServingGoal {
        replicas: args.replicas,
        cold_start_s: at_least("cold-start-seconds", args.cold_start_seconds, 0.0)?,
        price_ratio: share("price-ratio", args.price_ratio)?,
        target_availability,
    })
}

/// A bound on the cost, not a policy that could be run: no launch costs anything and none comes late.
fn omniscient(trace: &SpotTrace, goal: &ServingGoal) -> ServeRun {
    let mut run = ServeRun::default();
    for tick in 0..trace.ticks() {
        let capacity: u32 = trace.zones.iter().map(|zone| zone.nodes[tick].min(goal.replicas)).sum();
        let spot = capacity.min(goal.replicas);
        run.spot_s += f64::from(spot) * trace.tick_s;
        run.on_demand_s += f64::from(goal.replicas - spot) * trace.tick_s;
    }
    run.counted_s = trace.ticks() as f64 * trace.tick_s;
    run.ready_s = run.counted_s;
    run
}
