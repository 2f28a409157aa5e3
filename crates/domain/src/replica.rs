//! A replica: one model service that was found running, starting or leaving.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::deployment::Market;
use crate::model::ModelRef;
use crate::money::Money;
use crate::name::Name;
use crate::place::SiteRef;

/// Where a replica is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaPhase {
    /// Its process is starting or loading the model.
    Starting,
    /// It serves.
    Ready,
    /// It finishes what it has and takes no more.
    Draining,
    /// It does not answer, or its site is out.
    Lost,
}

/// One replica as the control plane found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replica {
    /// The id that its cloud gave it; unique over all clouds.
    pub id: String,
    /// The deployment it belongs to.
    pub deployment: Name,
    /// The model it serves.
    pub model: ModelRef,
    /// Where it runs.
    pub site: SiteRef,
    /// How it was bought.
    pub market: Market,
    /// Where it is in its life.
    pub phase: ReplicaPhase,
    /// Base URL of its API, such as `http://127.0.0.1:41001`; empty until its cloud knows it.
    pub url: String,
    /// What it costs an hour.
    pub price_per_hour: Money,
    /// Since when it is in this phase.
    pub since: Timestamp,
    /// What is wrong, when something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
