//! Requests as flows between regions: a day of a million a second over sixty regions in seconds.
//!
//! [`world`] says what there is, [`demand`] what is asked for, [`policy`] who serves whom, and [`replay`] how time moves.
//! Single requests, their prompts and prefixes are not looked at; `simulate route` does that.

pub mod atlas;
mod demand;
mod fill;
mod fleet;
mod latency;
mod made;
mod outcome;
mod policy;
mod replay;
mod waiting;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use planning::balance::ForecastWeights;
use serde::Serialize;

pub use demand::Demand;
pub use outcome::{FlowRun, Moment, Served};
pub use policy::{FlowPolicy, LeastLoaded, Nearest, Ours, Purpose, RoundRobin, View, Waterfall};
pub use replay::{Scaling, replay};
pub use world::{Link, Outage, Region, World, parse_world, read_world};

use self::world::FIGURE_MAX;
use crate::network::{Filled, Network};
use crate::outage::LostRegion;
use crate::problem::{SimulationError, at_least, positive};

/// Who divides the flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowPolicyName {
    /// `planning::balance::spread`.
    Ours,
    /// The nearest region, however full.
    Nearest,
    /// The nearest region until it is full, then the next.
    Waterfall,
    /// Every region in proportion to what is free.
    LeastLoaded,
    /// Every region alike.
    RoundRobin,
}

/// `simulate flows`.
#[derive(Debug, Clone, Args)]
pub struct FlowArgs {
    /// TOML of regions, ways and outages.
    #[arg(long, required_unless_present = "generate", conflicts_with = "generate")]
    pub world: Option<PathBuf>,
    /// CSV of src, dst, rtt_min_ms, throughput_gbps_premium, egress_usd_gb: ways and prices that the world leaves open.
    #[arg(long, value_name = "FILE.csv")]
    pub network: Option<PathBuf>,
    /// Make a world instead of reading one.
    #[arg(long)]
    pub generate: bool,
    /// Regions of a world that is made, 1 to 60.
    #[arg(long, default_value_t = 60)]
    pub regions: usize,
    /// Requests a second from everywhere, the mean of a day; without it, what the world says, or a million.
    #[arg(long)]
    pub requests_per_second: Option<f64>,
    /// Hours to simulate.
    #[arg(long, default_value_t = 24.0)]
    pub hours: f64,
    /// Seconds of a step.
    #[arg(long, default_value_t = 20.0)]
    pub step_seconds: f64,
    /// Decides bursts, crowds and losses of spot; without it, what the world says.
    #[arg(long)]
    pub seed: Option<u64>,
    /// A region that is lost, as REGION@FROM+FOR in seconds; may be given again.
    #[arg(long, value_name = "REGION@FROM+FOR")]
    pub outage: Vec<LostRegion>,
    /// Who divides the flows.
    #[arg(long, value_enum)]
    pub policy: FlowPolicyName,
    /// Who says how many replicas each region holds.
    #[arg(long, value_enum, default_value = "ours")]
    pub scaling: Scaling,
    /// λ of `ours`: seconds that a dollar is worth.
    #[arg(long, default_value_t = ForecastWeights::default().seconds_per_dollar)]
    pub seconds_per_dollar: f64,
}

/// What a stretch of time came to.
#[derive(Debug, Clone, Serialize)]
pub struct StretchReport {
    /// Share of requests that were served.
    pub served_share: f64,
    /// Mean seconds from asking to the whole answer, of those served.
    pub mean_latency_s: f64,
    /// 99 of 100 were faster.
    pub p99_latency_s: f64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct FlowReport {
    /// Who divided.
    pub policy: FlowPolicyName,
    /// Who said how many replicas.
    pub scaling: Scaling,
    /// Regions of the world.
    pub regions: usize,
    /// Requests that came.
    pub requests: f64,
    /// The whole time.
    #[serde(flatten)]
    pub all: StretchReport,
    /// Replicas and bytes.
    pub usd: f64,
    /// Bytes between regions alone.
    pub egress_usd: f64,
    /// Hours of replicas, loading ones among them.
    pub replica_hours: f64,
    /// Hours of the fewest replicas that keep to the busy target, anywhere, with nothing ever loading: a bound.
    pub bound_hours: f64,
    /// Share of requests served in another region than they came from.
    pub remote_share: f64,
    /// Times that a region's spot capacity was taken.
    pub spot_losses: usize,
    /// While a region is lost.
    pub during_outage: Option<StretchReport>,
    /// In the half hour after that.
    pub after_outage: Option<StretchReport>,
    /// What the table of `--network` gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Filled>,
    /// Seconds that the simulation took.
    pub seconds: f64,
}

/// Most steps of a run, so that a typing error ends.
const STEPS_MAX: f64 = 1e6;
const HOURS_OF_A_YEAR: f64 = 8_760.0;

/// Runs the whole time.
pub fn flows(args: &FlowArgs) -> Result<FlowReport, SimulationError> {
    let mut world = staged(args)?;
    let filled = args.network.as_deref().map(Network::read).transpose()?.map(|network| world.fill(&network));
    let (span, began) = (span(args)?, Instant::now());
    let mut policy =
        named(args.policy, world.regions.len(), at_least("seconds-per-dollar", args.seconds_per_dollar, 0.0)?);
    let run = replay(&world, span, policy.as_mut(), args.scaling, false);
    Ok(FlowReport { network: filled, ..report(args, &world, &run, began.elapsed().as_secs_f64()) })
}

/// The world that the arguments speak of.
pub fn staged(args: &FlowArgs) -> Result<World, SimulationError> {
    let rate = args.requests_per_second.map(|rate| positive("requests-per-second", rate)).transpose()?;
    if let Some(rate) = rate.filter(|rate| *rate > FIGURE_MAX) {
        return Err(SimulationError::argument(
            "requests-per-second",
            format!("{rate:e} is over the limit of {FIGURE_MAX:e}"),
        ));
    }
    let mut world = match &args.world {
        Some(path) => read_world(path)?,
        None if (1..=atlas::REGIONS.len()).contains(&args.regions) => {
            World::generated(args.regions, rate.unwrap_or(1e6))
        }
        None => {
            let cause = format!("{} is not between 1 and {}", args.regions, atlas::REGIONS.len());
            return Err(SimulationError::argument("regions", cause));
        }
    };
    world.requests_per_second = rate.unwrap_or(world.requests_per_second);
    world.seed = args.seed.unwrap_or(world.seed);
    let lost = |lost: &LostRegion| Outage {
        region: lost.region.clone(),
        from_seconds: lost.from_seconds,
        for_seconds: lost.for_seconds,
    };
    world.outages.extend(args.outage.iter().map(lost));
    world.checked().map_err(|cause| match &args.world {
        Some(path) if args.outage.is_empty() => SimulationError::malformed(path, cause),
        _ => SimulationError::argument("outage", cause),
    })
}

/// Seconds to simulate and of a step.
pub fn span(args: &FlowArgs) -> Result<(f64, f64), SimulationError> {
    let (span_s, step_s) = (positive("hours", args.hours)? * 3_600.0, positive("step-seconds", args.step_seconds)?);
    let steps = span_s / step_s;
    if !(1.0..=STEPS_MAX).contains(&steps) {
        let cause = format!("{span_s} s in steps of {step_s} s are not 1 to {STEPS_MAX} steps");
        // More than a year is more likely the mistake than the step.
        let is_long = steps > STEPS_MAX && args.hours > HOURS_OF_A_YEAR;
        return Err(SimulationError::argument(if is_long { "hours" } else { "step-seconds" }, cause));
    }
    Ok((span_s, step_s))
}

/// The policy of a name.
#[must_use]
pub fn named(name: FlowPolicyName, regions: usize, seconds_per_dollar: f64) -> Box<dyn FlowPolicy> {
    match name {
        FlowPolicyName::Ours => Box::new(Ours::new(regions, seconds_per_dollar)),
        FlowPolicyName::Nearest => Box::new(Nearest),
        FlowPolicyName::Waterfall => Box::new(Waterfall),
        FlowPolicyName::LeastLoaded => Box::new(LeastLoaded),
        FlowPolicyName::RoundRobin => Box::new(RoundRobin),
    }
}

/// What a run came to.
#[must_use]
pub fn report(args: &FlowArgs, world: &World, run: &FlowRun, seconds: f64) -> FlowReport {
    let stretch = |served: &Served| StretchReport {
        served_share: served.share(),
        mean_latency_s: served.latencies.mean(),
        p99_latency_s: served.latencies.quantile(0.99),
    };
    let if_any = |served: &Served| (served.arrived > 0.0).then(|| stretch(served));
    FlowReport {
        policy: args.policy,
        scaling: args.scaling,
        regions: world.regions.len(),
        requests: run.all.arrived,
        all: stretch(&run.all),
        usd: run.replicas_usd + run.egress_usd,
        egress_usd: run.egress_usd,
        replica_hours: run.replica_s / 3_600.0,
        bound_hours: run.needed_s / 3_600.0,
        remote_share: run.remote / run.all.latencies.requests().max(f64::MIN_POSITIVE),
        spot_losses: run.spot_losses,
        during_outage: if_any(&run.during),
        after_outage: if_any(&run.after),
        network: None,
        seconds,
    }
}
