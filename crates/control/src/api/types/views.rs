//! Views as clients read them. A view may grow fields.

use domain::{Autoscaling, CloudSite, Market, ModelRef, Money, Name, Problem, ReplicaPhase, SiteRef, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Several of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct ListOf<T> {
    /// They.
    pub items: Vec<T>,
}

/// What a deployment would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The deployment's name.
    pub deployment: Name,
    /// Whether it is new, changes, or is as it is.
    pub action: PlanAction,
    /// The model.
    pub model: ModelRef,
    /// The environment.
    pub environment: Name,
    /// How instances are bought.
    pub market: Market,
    /// Replicas wanted; to begin with, when they follow the load.
    pub replicas: u32,
    /// How the replicas would follow the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Replicas placed now.
    pub replicas_now: u32,
    /// Nano-dollars an hour, all replicas that find a place.
    pub price_per_hour: Money,
    /// Nano-dollars an hour as it is now, at the same prices.
    pub price_per_hour_now: Money,
    /// Where replicas would go, and why.
    pub placements: Vec<PlannedSite>,
    /// Where none would go, and why not.
    pub rejected: Vec<RejectedSite>,
    /// Why some find no place; the deployment would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortage: Option<Problem>,
    /// Memory that one replica takes; absent where it is served by accelerators, whose memory no cloud tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<PlannedMemory>,
    /// What else to know before deciding.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Memory that one replica takes to serve, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedMemory {
    /// All of it.
    pub total_bytes: u64,
    /// The weights.
    pub weight_bytes: u64,
    /// Keys and values of all sequences; absent when the model file does not say what decides them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<u64>,
    /// What the runtime needs beside them.
    pub runtime_bytes: u64,
    /// Tokens of one sequence.
    pub context_tokens: u32,
    /// Sequences served at once.
    pub slots: u32,
}

/// What a plan would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanAction {
    /// The deployment does not exist.
    Create,
    /// It exists, and replicas would be added, removed or moved.
    Change,
    /// It exists, and nothing would change.
    None,
}

/// A site that would carry replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedSite {
    /// The site.
    pub site: SiteRef,
    /// Its country.
    pub country: String,
    /// The instance type whose price applies.
    pub instance_type: String,
    /// Replicas there now.
    pub replicas_now: u32,
    /// Replicas there then.
    pub replicas: u32,
    /// Nano-dollars an hour, one replica.
    pub price_per_hour: Money,
    /// Nano-dollars an hour, all replicas there.
    pub total_per_hour: Money,
    /// Why there, and why so many.
    pub why: String,
}

/// A site that would carry none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RejectedSite {
    /// The site.
    pub site: SiteRef,
    /// Replicas there now.
    pub replicas_now: u32,
    /// The reason as one stable word, such as `residency` or `full`.
    pub reason: String,
    /// The reason in a sentence.
    pub cause: String,
}

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentPhase {
    /// Replicas start, move or leave.
    Progressing,
    /// As wanted.
    Ready,
    /// Not as wanted, and something stands in the way: see `message`.
    Degraded,
    /// Its replicas drain; then it is gone.
    Deleting,
}

/// A deployment as a tree: deployment, sites, replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentView {
    /// Its name.
    pub name: Name,
    /// Its unique id.
    pub uid: String,
    /// The model.
    pub model: ModelRef,
    /// The environment.
    pub environment: Name,
    /// How instances are bought.
    pub market: Market,
    /// Where it stands.
    pub phase: DeploymentPhase,
    /// What stands in the way, when something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why what is shown here may no longer be so, and since when, when the control plane has not looked for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// Replicas wanted.
    pub replicas_wanted: u32,
    /// Replicas that serve and stay.
    pub replicas_ready: u32,
    /// How the replicas follow the load, and what was last decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingView>,
    /// Nano-dollars an hour, all replicas that were found.
    pub price_per_hour: Money,
    /// Generated tokens a second, all replicas.
    pub tokens_per_second: f64,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its sites.
    pub sites: Vec<SiteView>,
}

/// How a deployment follows the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoscalingView {
    /// What is wanted.
    #[serde(flatten)]
    pub wanted: Autoscaling,
    /// Seconds from a launch until a replica serves, as lately seen.
    pub cold_start_seconds: f64,
    /// The load at the last decision, in replicas kept busy.
    pub load: f64,
    /// The load expected a cold start later, with its margin, in replicas.
    pub expected: f64,
    /// What settled the last decision, as one stable word such as `forecast` or `to_zero`; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When what is said here last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// A deployment's share of a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SiteView {
    /// The site.
    pub site: SiteRef,
    /// Its country, when it is known.
    pub country: String,
    /// Whether the site works, as its cloud last said.
    pub available: bool,
    /// Why it does not, or what stands in the way there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Replicas that it is to carry.
    pub replicas_wanted: u32,
    /// Nano-dollars an hour, all replicas there.
    pub price_per_hour: Money,
    /// The replicas that were found there.
    pub replicas: Vec<ReplicaView>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaView {
    /// Its id.
    pub id: String,
    /// Where it is in its life; `draining` from the decision to remove it on.
    pub phase: ReplicaPhase,
    /// How it was bought.
    pub market: Market,
    /// Base URL of its API; empty until its cloud knows it.
    pub url: String,
    /// Nano-dollars an hour.
    pub price_per_hour: Money,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// What is wrong, when something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it does now, when it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<ReplicaLoad>,
}

/// What a replica does now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaLoad {
    /// Requests that run.
    pub running: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// Share of the key-value cache in use, 0 to 1.
    pub kv_usage: f64,
    /// Prompt tokens a second.
    pub prompt_tokens_per_second: f64,
    /// Generated tokens a second.
    pub tokens_per_second: f64,
}

/// One event of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// Its position; read on from the next one.
    pub offset: u64,
    /// When.
    pub at: Timestamp,
    /// What was decided or happened.
    pub what: String,
    /// Why.
    pub why: String,
}

/// The latest log lines of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaLogs {
    /// The replica.
    pub replica: String,
    /// Where it runs.
    pub site: SiteRef,
    /// Its lines, oldest first.
    pub lines: Vec<String>,
    /// Why there are none, when it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A cloud as it was last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudStatus {
    /// Its name.
    pub name: Name,
    /// Whether it answers.
    pub answers: bool,
    /// Milliseconds since it last answered; nothing when it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_ms_ago: Option<i64>,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Its sites, with the price of a replica of one core and one gibibyte.
    pub sites: Vec<CloudSite>,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: Problem,
}
