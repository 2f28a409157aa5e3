//! Checkpoints of work on spot: how often they are written, and what is lost between them.

mod rivals;
mod world;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

pub use rivals::{Fixed, Ours, Young};
pub use world::{CheckpointCosts, CheckpointPolicy, Hours, bound, replay};

use crate::problem::{SimulationError, at_least, positive};
use crate::trace::{SpotTrace, read_spot_traces};

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointPolicyName {
    /// `planning::spot::checkpoint` with the hazard of the zone, its age and the hour.
    Ours,
    /// Young's interval for the mean life seen so far.
    Young,
    /// Every `--every-hours`.
    Fixed,
    /// The bound: one, just before each loss.
    Omniscient,
}

/// `simulate checkpoint`.
#[derive(Debug, Clone, Args)]
pub struct CheckpointArgs {
    /// Folder of spot traces, one JSON file a zone. A job runs in each zone whenever it is up.
    #[arg(long)]
    pub traces: PathBuf,
    /// Hours to write a checkpoint, during which no work is done.
    #[arg(long, default_value_t = 0.05)]
    pub write_hours: f64,
    /// Hours from a start until work goes on: boot and restore.
    #[arg(long, default_value_t = 0.1)]
    pub start_hours: f64,
    /// Seconds by which a loss is announced; 0 for none.
    #[arg(long, default_value_t = 0.0)]
    pub notice_seconds: f64,
    /// Hours of work between two checkpoints of `fixed`.
    #[arg(long, default_value_t = 1.0)]
    pub every_hours: f64,
    /// Who decides.
    #[arg(long, value_enum)]
    pub policy: CheckpointPolicyName,
}

/// What came of it. Shares are of the hours held, over all zones, and add up to one.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointReport {
    /// Who decided.
    pub policy: CheckpointPolicyName,
    /// Work done and kept.
    pub useful_share: f64,
    /// Work done and lost, and time after an announcement in which nothing was done.
    pub lost_share: f64,
    /// Writing.
    pub write_share: f64,
    /// Starting.
    pub start_share: f64,
    /// Checkpoints begun, a day held.
    pub checkpoints_per_day: f64,
    /// Losses, a day held.
    pub losses_per_day: f64,
    /// Hours held.
    pub held_hours: f64,
    /// The useful share when each loss is known beforehand.
    pub bound: f64,
}

/// Runs a job in every zone of a folder's traces.
pub fn checkpoint(args: &CheckpointArgs) -> Result<CheckpointReport, SimulationError> {
    checked_costs(args)?;
    checkpoint_on(&read_spot_traces(&args.traces)?, args)
}

/// Runs a job in every zone of `trace`, whatever `args.traces` says.
pub fn checkpoint_on(trace: &SpotTrace, args: &CheckpointArgs) -> Result<CheckpointReport, SimulationError> {
    let costs = checked_costs(args)?;
    let total = |zone_hours: &dyn Fn(usize) -> Hours| {
        (0..trace.zones.len()).map(zone_hours).fold(Hours::default(), |sum, hours| sum + hours)
    };
    let known = total(&|zone| bound(trace, zone, &costs));
    if known.held() <= 0.0 {
        return Err(SimulationError::malformed(&args.traces, "no zone is ever up"));
    }
    let hours = match args.policy {
        CheckpointPolicyName::Omniscient => known,
        name => total(&|zone| run(trace, zone, &costs, name, args.every_hours)),
    };
    let (held, days) = (hours.held(), hours.held() / 24.0);
    Ok(CheckpointReport {
        policy: args.policy,
        useful_share: hours.useful / held,
        lost_share: hours.lost / held,
        write_share: hours.writing / held,
        start_share: hours.starting / held,
        checkpoints_per_day: hours.writes as f64 / days,
        losses_per_day: hours.losses as f64 / days,
        held_hours: held,
        bound: known.useful / known.held(),
    })
}

fn checked_costs(args: &CheckpointArgs) -> Result<CheckpointCosts, SimulationError> {
    positive("every-hours", args.every_hours)?;
    Ok(CheckpointCosts {
        write_hours: at_least("write-hours", args.write_hours, 0.0)?,
        start_hours: at_least("start-hours", args.start_hours, 0.0)?,
        notice_s: at_least("notice-seconds", args.notice_seconds, 0.0)?,
    })
}

fn run(
    trace: &SpotTrace,
    zone: usize,
    costs: &CheckpointCosts,
    policy: CheckpointPolicyName,
    every_hours: f64,
) -> Hours {
    match policy {
        CheckpointPolicyName::Young => replay(trace, zone, costs, &mut Young::new(costs.write_hours)),
        CheckpointPolicyName::Fixed => replay(trace, zone, costs, &mut Fixed { every_hours }),
        CheckpointPolicyName::Ours => replay(trace, zone, costs, &mut Ours::new(costs.write_hours)),
        CheckpointPolicyName::Omniscient => bound(trace, zone, costs),
    }
}
