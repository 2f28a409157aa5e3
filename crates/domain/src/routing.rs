//! The routing snapshot: all that the gateway needs to serve, in one object.
//!
//! The control plane writes it, the gateway watches it and keeps its own copy on disk; nothing else passes between them
//! while a request waits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::ModelRef;
use crate::money::Money;
use crate::name::Name;
use crate::place::{GeoPoint, SiteRef};
use crate::secret::Secret;

/// Who may call, what can be called, and where it runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RoutingSnapshot {
    /// Grows with every change.
    pub version: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Models by the name that clients use. `demo` (the newest version deployed) and `demo:1.0` may share replicas.
    pub models: BTreeMap<String, ModelRoute>,
    /// Keys that may call, by the hash of the key.
    pub keys: BTreeMap<String, KeyGrant>,
}

/// One model that can be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelRoute {
    /// The model and version behind the name.
    pub model: ModelRef,
    /// The GGUF file, from which the gateway reads vocabulary and chat template.
    pub artifact: PathBuf,
    /// The context window of one sequence, in tokens.
    pub context_tokens: u32,
    /// When the model was registered.
    pub created_at: Timestamp,
    /// Its replicas.
    pub replicas: Vec<ReplicaRoute>,
    /// Seconds until a replica of it serves that is started now, when its replicas follow the load: the gateway then
    /// tells what is asked of the model, and how long to wait when none is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_in_seconds: Option<u32>,
    /// Whether projects share prompt prefixes that its replicas have computed: every environment that they run in says so.
    #[serde(default)]
    pub shared_prefix_cache: bool,
}

/// One replica that requests can go to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaRoute {
    /// The replica's id.
    pub id: String,
    /// Its deployment.
    pub deployment: Name,
    /// Where it runs.
    pub site: SiteRef,
    /// Where that is, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<GeoPoint>,
    /// Base URL of its API.
    pub url: String,
    /// What it wants to be shown by whoever sends it requests, if it wants anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Secret>,
    /// Takes no new requests; finishes those it has.
    pub draining: bool,
    /// What it costs an hour.
    pub price_per_hour: Money,
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyGrant {
    /// The key's public id, safe to log.
    pub id: String,
    /// The name its maker gave it.
    pub name: String,
    /// Models it may call; empty means all.
    #[serde(default)]
    pub models: Vec<String>,
    /// Keys of one project share prompt prefixes that replicas have computed; a key without one shares with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// After this instant it no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What one gateway has taken over from the snapshot, written by the gateway so that the control plane may remove a
/// replica only when every gateway has stopped using it; and what is asked of the models whose replicas follow the load.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct GatewayStatus {
    /// The gateway's id; also the object's name.
    pub gateway: String,
    /// Version of the snapshot that it routes by.
    pub snapshot_version: u64,
    /// Requests still running on each replica that the snapshot marks as draining.
    pub draining: BTreeMap<String, u32>,
    /// When this was written: on every change, and every few seconds while the gateway serves.
    pub at: Timestamp,
    /// When the gateway was started: its counts begin there.
    #[serde(default)]
    pub started_at: Timestamp,
    /// What is asked of each model whose replicas follow the load, by `name:version`.
    #[serde(default)]
    pub demand: BTreeMap<String, ModelDemand>,
    /// The latest requests of which replicas died, the last one last.
    #[serde(default)]
    pub deadly: Vec<DeadlyRequest>,
}

/// A request that a gateway refuses because replicas died while they had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadlyRequest {
    /// Counts such requests since the gateway was started, from 1 on.
    pub number: u64,
    /// The model that was asked.
    pub model: ModelRef,
    /// What tells the request from others: a hash, in hexadecimal digits.
    pub fingerprint: String,
    /// The replicas that died.
    pub replicas: Vec<String>,
    /// When it was found to be to blame.
    pub at: Timestamp,
}

/// What one gateway counted of one model. Counts only grow while the gateway runs and the model is in its snapshot; a
/// smaller one than before has begun anew at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ModelDemand {
    /// Requests that arrived and were allowed.
    pub arrived: u64,
    /// Those of them that were answered, and whose tokens are known.
    pub answered: u64,
    /// Prompt tokens of the answered ones.
    pub prompt_tokens: u64,
    /// Generated tokens of the answered ones.
    pub generated_tokens: u64,
    /// Those refused because no replica had room, or none was there.
    pub refused: u64,
    /// Requests in hand now.
    pub in_flight: u32,
    /// Those of them that have got nothing of their answer yet.
    pub waiting: u32,
}
