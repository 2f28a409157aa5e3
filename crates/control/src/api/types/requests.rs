//! Requests as clients write them. Unknown fields are errors.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::{ComputeType, Market, ReplicaCarries};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Registers a model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterModel {
    /// The model's name.
    pub name: String,
    /// Its version. A version stands for one file for ever.
    pub version: String,
    /// The GGUF file, as the control plane and the clouds can read it. A relative path is taken from the folder in which
    /// the control plane runs.
    pub path: PathBuf,
    /// Its SHA-256 digest, when it is known: another file is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whatever is to be said of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Creates an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEnvironment {
    /// Its name.
    pub name: String,
    /// What its replicas compute on.
    #[serde(rename = "type")]
    pub compute_type: ComputeType,
    /// What each replica gets, such as `cpu=1,memory=1Gi` or `gpu=1,memory=32Gi`.
    pub resources: String,
    /// Clouds that may be used; empty means any.
    #[serde(default)]
    pub clouds: Vec<String>,
    /// Sites that may be used, `cloud/site`; empty means any.
    #[serde(default)]
    pub sites: Vec<String>,
    /// Countries in which data may be processed (ISO 3166-1 alpha-2); empty means any.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Most dollars an hour that one replica may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price_per_hour_usd: Option<f64>,
    /// Whether projects share prompt prefixes that replicas have computed. Sharing saves time where many projects send
    /// the same beginning, and lets one tell by the time of an answer what another has sent.
    #[serde(default)]
    pub shared_prefix_cache: bool,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Creates a deployment, or asks what creating it would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeployment {
    /// Its name; `<model>-<environment>` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The model, `name:version`.
    pub model: String,
    /// The environment.
    pub environment: String,
    /// Replicas wanted. Either this or `autoscaling` is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i64>,
    /// How the replicas are to follow the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingRequest>,
    /// How its instances are bought.
    #[serde(default)]
    pub market: Market,
}

/// How replicas are to follow the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoscalingRequest {
    /// Fewest replicas. With zero, none is kept when a cold start is the lesser cost.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas_min: i64,
    /// Most replicas.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas_max: i64,
    /// What one replica carries; at least one of its rates is said.
    pub replica_carries: ReplicaCarries,
    /// Share of the load that may come when every replica is busy, above 0 and up to 0.5; 0.001 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_capacity_share: Option<f64>,
}

/// Changes a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleDeployment {
    /// Replicas wanted; they no longer follow the load. Either this or `autoscaling` is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i64>,
    /// How the replicas are to follow the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingRequest>,
}

/// Makes a key for the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// A name to know it by.
    pub name: String,
    /// Models it may call, `name` or `name:version`; empty means all.
    #[serde(default)]
    pub models: Vec<String>,
    /// The project that it belongs to. Keys of one project share prompt prefixes that replicas have computed; a key
    /// without one shares with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Seconds after which it no longer works; for ever when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// Changes when a key ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeKey {
    /// Seconds from now after which it no longer works.
    pub expires_in_seconds: u64,
}

/// Replaces a key by a new one that may do the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// Seconds for which the old one goes on working; none when left out.
    #[serde(default)]
    pub grace_seconds: u64,
}

/// Which events to read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// From this offset on; the latest when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// How many at most; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Which logs to read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogsQuery {
    /// Only this replica's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    /// How many of each replica's latest lines; 100 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub tail: Option<u32>,
}
