//! The fourteen tools: arguments, results, annotations.

use domain::{Digest, GeoPoint, Market, ModelRef, Money, Resources, Timestamp};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::labels::Labels;

/// A tool of the contract.
pub trait Tool {
    /// Its name on the wire.
    const NAME: &'static str;
    /// What it does, for the caller who chooses among tools.
    const DESCRIPTION: &'static str;
    /// What a policy may assume of it.
    const HINTS: Hints;
    /// Its arguments.
    type Args: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// The resource in its envelope.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
}

/// MCP tool annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// Changes nothing.
    pub read_only: bool,
    /// May take something away.
    pub destructive: bool,
    /// The same call twice is the same as once.
    pub idempotent: bool,
}

/// What every write carries beside its own arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WriteArgs {
    /// A new one for each write. With the same one a call can be repeated, and takes effect once.
    #[schemars(length(min = 16, max = 128))]
    pub idempotency_token: String,
    /// Say what would happen, and do nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Refuse when it would cost more than this many dollars an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub max_cost_usd: Option<f64>,
    /// Labels for what is made.
    #[serde(default)]
    pub labels: Labels,
}

/// Arguments of [`DeployModel`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeployModelArgs {
    /// The region (for `local`: the site).
    pub region: String,
    /// A name for the node pool that is made, unique within the region.
    pub nodepool: String,
    /// Model and version, `name:version`.
    pub model: ModelRef,
    /// The GGUF file: a path that the cloud can read.
    pub artifact: String,
    /// Digest of the file; the cloud refuses another file.
    pub digest: Digest,
    /// Replicas to start with.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// What each replica gets.
    pub resources: Resources,
    /// How instances are bought.
    #[serde(default)]
    pub market: Market,
    /// SHA-256 digests of the credentials that the replicas' callers show, as bearer tokens. The cloud's own is added.
    /// Others are refused by the replicas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub caller_digests: Vec<Digest>,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// Arguments of [`ScaleNodepool`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScaleNodepoolArgs {
    /// The region.
    pub region: String,
    /// The node pool.
    pub nodepool: String,
    /// The size it is to have. At 0 the pool goes away when its last instance has drained.
    #[schemars(range(max = 1000))]
    pub size: u32,
    /// Instances to remove first when it shrinks.
    #[serde(default)]
    pub remove: Vec<String>,
    #[serde(flatten)]
    pub write: WriteArgs,
}

/// One instance of a node pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Where it is in its life.
    pub status: InstanceStatus,
    /// Base URL of the model service on it, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How it was bought.
    pub market: Market,
    /// Nano-dollars an hour.
    pub price_per_hour: Money,
    /// When it was started.
    pub started_at: Timestamp,
    /// How often the pool has replaced an instance before this one in the same slot.
    pub restarts: u32,
    /// What is wrong, when something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    /// Its process is starting or loading the model.
    Starting,
    /// It serves.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It is gone or does not answer.
    Lost,
}

/// A node pool: instances that the cloud keeps at a size, replacing those that die, as instance groups do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nodepool {
    /// Its region.
    pub region: String,
    /// Its name.
    pub nodepool: String,
    /// The size it is kept at.
    pub size: u32,
    /// The model it serves.
    pub model: ModelRef,
    /// How its instances are bought.
    pub market: Market,
    /// Labels it was made with.
    #[serde(default)]
    pub labels: Labels,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// Arguments of [`GetHealth`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetHealthArgs {
    /// Only this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Only this node pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodepool: Option<String>,
}

/// Whether a region works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegionHealth {
    /// The region.
    pub region: String,
    /// Whether instances can be started and reached there.
    pub available: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Result of [`GetHealth`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Regions.
    pub regions: Vec<RegionHealth>,
    /// Node pools with their instances.
    pub nodepools: Vec<Nodepool>,
}

/// Arguments of [`GetQuotas`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetQuotasArgs {
    /// Only this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// What may still be started in a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quota {
    /// The region.
    pub region: String,
    /// Its country (ISO 3166-1 alpha-2).
    pub country: String,
    /// Where it is.
    pub location: GeoPoint,
    /// The instance type.
    pub instance_type: String,
    /// What one instance offers.
    pub instance: Resources,
    /// Most instances.
    pub limit: u32,
    /// Instances in use.
    pub used: u32,
    /// Whether there is a spot market.
    pub spot: bool,
}

/// Result of [`GetQuotas`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quotas {
    /// One a region and instance type.
    pub quotas: Vec<Quota>,
}

/// Arguments of [`GetCostEstimate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GetCostEstimateArgs {
    /// Only this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What each replica needs.
    pub resources: Resources,
    /// How many replicas.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// For how long.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 8784))]
    pub hours: u32,
}

const fn one() -> u32 {
    1
}

/// The price of one way to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostLine {
    /// The region.
    pub region: String,
    /// The instance type.
    pub instance_type: String,
    /// How it is bought.
    pub market: Market,
    /// Nano-dollars an hour, one replica.
    pub price_per_hour: Money,
    /// Nano-dollars, all replicas and hours.
    pub total: Money,
}

/// Result of [`GetCostEstimate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostEstimate {
    /// Cheapest first.
    pub lines: Vec<CostLine>,
    /// Where the prices come from, and of which day they are.
    pub source: String,
}

/// Starts a model service on a new node pool.
pub enum DeployModel {}
impl Tool for DeployModel {
    const NAME: &'static str = "deploy_model";
    const DESCRIPTION: &'static str = "Start a model service on a new node pool with a number of replicas. It is done when \
        all of them serve, and has failed when they keep ending at their start: follow it with get_operation.";
    const HINTS: Hints = Hints { read_only: false, destructive: false, idempotent: true };
    type Args = DeployModelArgs;
    type Output = Nodepool;
}

/// Sets the size of a node pool.
pub enum ScaleNodepool {}
impl Tool for ScaleNodepool {
    const NAME: &'static str = "scale_nodepool";
    const DESCRIPTION: &'static str = "Set the size of a node pool. Shrinking drains instances; 0 removes the pool. It is \
        done when the pool has that size and serves: follow it with get_operation.";
    const HINTS: Hints = Hints { read_only: false, destructive: true, idempotent: true };
    type Args = ScaleNodepoolArgs;
    type Output = Nodepool;
}

/// Reads regions, pools and instances.
pub enum GetHealth {}
impl Tool for GetHealth {
    const NAME: &'static str = "get_health";
    const DESCRIPTION: &'static str = "Health of regions, node pools and their instances.";
    const HINTS: Hints = Hints { read_only: true, destructive: false, idempotent: true };
    type Args = GetHealthArgs;
    type Output = Health;
}

/// Reads limits and use.
pub enum GetQuotas {}
impl Tool for GetQuotas {
    const NAME: &'static str = "get_quotas";
    const DESCRIPTION: &'static str = "Instance limits and use by region.";
    const HINTS: Hints = Hints { read_only: true, destructive: false, idempotent: true };
    type Args = GetQuotasArgs;
    type Output = Quotas;
}

/// Prices a need.
pub enum GetCostEstimate {}
impl Tool for GetCostEstimate {
    const NAME: &'static str = "get_cost_estimate";
    const DESCRIPTION: &'static str = "What a number of replicas would cost, by region and market.";
    const HINTS: Hints = Hints { read_only: true, destructive: false, idempotent: true };
    type Args = GetCostEstimateArgs;
    type Output = CostEstimate;
}
