//! Requests routed among replicas in several regions: the world, the rivals and the report.
//!
//! Time is counted in microseconds, and everything a seed decides is the same for every policy. [`engine`] states how a
//! replica works, [`policy`] what a policy sees.

mod cache;
mod clients;
mod engine;
mod gaps;
mod lengths;
pub mod made;
mod policy;
mod replay;
mod requests;
mod talk;
mod world_file;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use planning::balance::ForecastWeights;
use serde::Serialize;

pub use cache::BlockCache;
pub use clients::{Clients, Drawn};
pub use gaps::Burstiness;
pub use lengths::Lengths;
pub use policy::{Asked, LeastOutstanding, Ours, PrefixHash, RoundRobin, RoutePolicy, Seen, chance};
pub use replay::{RouteRun, replay};
pub use requests::{Conversations, Request, Requests, read_requests};
use requests::{DRAWN_BLOCKS_MAX, DRAWN_MAX};
pub use world_file::{Outage, Region, Replica, World, parse_world, read_world};

use crate::network::{Filled, Network};
use crate::outage::LostRegion;
use crate::problem::{SimulationError, at_least, positive};

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoutePolicyName {
    /// `planning::balance`.
    Ours,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests in flight.
    LeastOutstanding,
    /// A prompt's beginning, hashed, with bounded loads.
    PrefixHash,
}

/// `simulate route`.
#[derive(Debug, Clone, Args)]
pub struct RouteArgs {
    /// JSON lines of timestamp (ms), input_length, output_length, hash_ids.
    #[arg(long, required_unless_present_any = ["generate", "clients"], conflicts_with = "generate")]
    pub requests: Option<PathBuf>,
    /// Draw so many requests instead of reading them, at most 50,000,000.
    #[arg(long)]
    pub generate: Option<usize>,
    /// Draw the requests of clients instead: a folder of one CSV a client, without a line of names, of t_seconds, rate, cv,
    /// family, parameter1, parameter2 for windows of one length.
    #[arg(long, value_name = "DIR", requires = "lengths", conflicts_with_all = ["requests", "generate"])]
    pub clients: Option<PathBuf>,
    /// CSV of TIMESTAMP, ContextTokens, GeneratedTokens, from which the lengths of clients' requests are drawn.
    #[arg(long, value_name = "FILE.csv", requires = "clients")]
    pub lengths: Option<PathBuf>,
    /// Second of the clients' windows at which to begin.
    #[arg(long, default_value_t = 0.0)]
    pub from_seconds: f64,
    /// For how many seconds clients ask.
    #[arg(long, default_value_t = 3_600.0)]
    pub for_seconds: f64,
    /// Whether the gaps between a client's requests have the spread that was measured, or the shape that was fitted.
    #[arg(long, value_enum, default_value = "measured")]
    pub burstiness: Burstiness,
    /// Requests a second that are drawn.
    #[arg(long, default_value_t = 3.0)]
    pub rate: f64,
    /// Median tokens that a drawn turn adds to its conversation.
    #[arg(long, default_value_t = 4_500.0)]
    pub turn_tokens: f64,
    /// Mean tokens of a drawn answer.
    #[arg(long, default_value_t = 350.0)]
    pub output_tokens: f64,
    /// Decides what is drawn.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// TOML of regions, ways, replicas and outages.
    #[arg(long)]
    pub world: PathBuf,
    /// CSV of src, dst, rtt_min_ms, throughput_gbps_premium, egress_usd_gb: ways and prices that the world leaves open.
    #[arg(long, value_name = "FILE.csv")]
    pub network: Option<PathBuf>,
    /// A region that is lost, as REGION@FROM+FOR in seconds; may be given again.
    #[arg(long, value_name = "REGION@FROM+FOR")]
    pub outage: Vec<LostRegion>,
    /// Who decides.
    #[arg(long, value_enum)]
    pub policy: RoutePolicyName,
    /// Leading blocks that `prefix-hash` hashes.
    #[arg(long, default_value_t = 2)]
    pub prefix_blocks: usize,
    /// Seconds that `ours` gives for a dollar.
    #[arg(long, default_value_t = ForecastWeights::default().seconds_per_dollar)]
    pub seconds_per_dollar: f64,
    /// What a second saved by a held prefix counts to `ours`.
    #[arg(long, default_value_t = ForecastWeights::default().credit)]
    pub credit: f64,
    /// Seconds of prompts that wait beyond the least loaded at which that has fallen to half.
    #[arg(long, default_value_t = ForecastWeights::default().credit_half_seconds)]
    pub credit_half_seconds: f64,
    /// Seconds of prompts that wait everywhere at which it has doubled.
    #[arg(long, default_value_t = ForecastWeights::default().credit_double_seconds)]
    pub credit_double_seconds: f64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct RouteReport {
    /// Who decided.
    pub policy: RoutePolicyName,
    /// Requests that arrived.
    pub requests: usize,
    /// Share of them that were answered to the end.
    pub completed_share: f64,
    /// Mean time from a request's arrival to its first token, at the client's gateway; null where none saw one.
    pub mean_ttft_s: Option<f64>,
    /// Half of all were faster; null where none saw a token.
    pub p50_ttft_s: Option<f64>,
    /// 99 of 100 were faster; null where none saw a token.
    pub p99_ttft_s: Option<f64>,
    /// What the answers used: a replica's whole price for the time of reading, and a slot's share of it for the time of
    /// answering; and bytes between regions. A replica answers while it reads, and then is charged for both, so that this can
    /// exceed `rental_usd`: a measure of what was used, for comparing policies, not a bill.
    pub usd: f64,
    /// What all replicas cost from the first arrival to the last answer, used or not.
    pub rental_usd: f64,
    /// Share of prompt blocks that were found in a cache.
    pub prefix_hit_share: f64,
    /// Requests whose prompt is larger than the memory of every replica that may serve them, or which with their answer
    /// are larger than that of the replica they came to.
    pub too_large: u64,
    /// Requests that nobody might serve in time.
    pub unserved: u64,
    /// Sent again after a loss.
    pub resent: u64,
    /// Seconds from the first arrival to the last answer.
    pub span_s: f64,
    /// What was drawn from `--clients`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    /// What the table of `--network` gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Filled>,
    /// Events worked off.
    pub events: u64,
    /// Of them, in each second that the simulation took.
    pub events_per_second: f64,
    /// Requests in each minute that the simulation took.
    pub requests_per_minute: f64,
}

impl RouteReport {
    fn new(policy: RoutePolicyName, requests: usize, mut run: RouteRun, took_s: f64) -> Self {
        let sum = run.ttft_s.iter().map(|ttft| f64::from(*ttft)).sum::<f64>();
        let mean_ttft_s = (!run.ttft_s.is_empty()).then(|| sum / run.ttft_s.len() as f64);
        let mut quantile = |share: f64| {
            let at = ((run.ttft_s.len() as f64 * share).ceil() as usize).saturating_sub(1);
            (at < run.ttft_s.len()).then(|| f64::from(*run.ttft_s.select_nth_unstable_by(at, f32::total_cmp).1))
        };
        let (p50_ttft_s, p99_ttft_s) = (quantile(0.5), quantile(0.99));
        Self {
            policy,
            requests,
            completed_share: run.completed as f64 / requests.max(1) as f64,
            mean_ttft_s,
            p50_ttft_s,
            p99_ttft_s,
            usd: run.usd,
            rental_usd: run.rental_usd,
            prefix_hit_share: run.blocks_matched as f64 / run.blocks_total.max(1) as f64,
            too_large: run.too_large,
            unserved: run.unserved,
            resent: run.resent,
            span_s: run.span_us as f64 / 1e6,
            drawn: None,
            network: None,
            events: run.events,
            events_per_second: run.events as f64 / took_s,
            requests_per_minute: requests as f64 * 60.0 / took_s,
        }
    }
}

/// Replays the requests in the world.
pub fn route(args: &RouteArgs) -> Result<RouteReport, SimulationError> {
    let network = args.network.as_deref().map(Network::read).transpose()?;
    let mut world = read_world(&args.world, network.as_ref())?;
    for lost in &args.outage {
        world.lose(lost).map_err(|cause| SimulationError::argument("outage", cause))?;
    }
    let (requests, drawn) = requests(args, world.block_tokens)?;
    let weights = ForecastWeights {
        seconds_per_dollar: at_least("seconds-per-dollar", args.seconds_per_dollar, 0.0)?,
        credit: at_least("credit", args.credit, 0.0)?,
        credit_half_seconds: positive("credit-half-seconds", args.credit_half_seconds)?,
        credit_double_seconds: positive("credit-double-seconds", args.credit_double_seconds)?,
        ..ForecastWeights::default()
    };
    let mut policy = named(args.policy, weights, args.prefix_blocks, world.seed);
    let report = measured(args.policy, &world, &requests, policy.as_mut());
    Ok(RouteReport { drawn, network: network.map(|_| world.filled), ..report })
}

/// Runs a policy and tells how it went, with the speed.
pub fn measured(
    name: RoutePolicyName,
    world: &World,
    requests: &Requests,
    policy: &mut dyn RoutePolicy,
) -> RouteReport {
    let began = Instant::now();
    let run = replay(world, requests, policy, false);
    let took_s = began.elapsed().as_secs_f64().max(1e-9);
    RouteReport::new(name, requests.list().len(), run, took_s)
}

/// The policy of a name.
#[must_use]
pub fn named(name: RoutePolicyName, weights: ForecastWeights, prefix_blocks: usize, seed: u64) -> Box<dyn RoutePolicy> {
    match name {
        RoutePolicyName::Ours => Box::new(Ours::new(weights, seed)),
        RoutePolicyName::RoundRobin => Box::new(RoundRobin::default()),
        RoutePolicyName::LeastOutstanding => Box::new(LeastOutstanding(chance(seed))),
        RoutePolicyName::PrefixHash => Box::new(PrefixHash { blocks: prefix_blocks, load_factor: 1.25 }),
    }
}

/// The requests that the arguments speak of.
fn requests(args: &RouteArgs, block_tokens: u32) -> Result<(Requests, Option<Drawn>), SimulationError> {
    match (&args.requests, &args.clients, &args.lengths) {
        (Some(path), ..) => Ok((read_requests(path)?, None)),
        (None, Some(folder), Some(lengths)) => {
            let from_s = at_least("from-seconds", args.from_seconds, 0.0)?;
            let span_s = (from_s, from_s + positive("for-seconds", args.for_seconds)?);
            let clients = Clients::read(folder, span_s, args.burstiness)?;
            let (requests, drawn) = clients.draw(&Lengths::read(lengths)?, block_tokens, args.seed)?;
            Ok((requests, Some(drawn)))
        }
        _ => Ok((conversations(args, block_tokens)?, None)),
    }
}

fn conversations(args: &RouteArgs, block_tokens: u32) -> Result<Requests, SimulationError> {
    let asked = args.generate.unwrap_or_default();
    if !(1..=DRAWN_MAX).contains(&asked) {
        let cause = format!("{asked} requests are not 1 to the limit of {DRAWN_MAX}");
        return Err(SimulationError::argument("generate", cause));
    }
    let shape = Conversations {
        requests: asked,
        per_second: positive("rate", args.rate)?,
        turn_tokens: positive("turn-tokens", args.turn_tokens)?,
        output_tokens: positive("output-tokens", args.output_tokens)?,
        block_tokens,
        ..Conversations::default()
    };
    let requests = shape.generate(args.seed);
    if requests.list().len() < asked {
        let cause = format!(
            "the prompts have more than the limit of {DRAWN_BLOCKS_MAX} blocks: draw fewer requests or smaller --turn-tokens"
        );
        return Err(SimulationError::argument("generate", cause));
    }
    Ok(requests)
}
