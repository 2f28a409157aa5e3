//! An environment: what its replicas get, and where they may run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::money::Money;
use crate::name::Name;
use crate::place::SiteRef;
use crate::resources::Resources;

/// What replicas compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComputeType {
    /// Processors alone.
    Cpu,
    /// Accelerators.
    Gpu,
}

/// A place to deploy into, with its constraints. Empty lists mean "any".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Its name.
    pub name: Name,
    /// What its replicas compute on.
    #[serde(rename = "type")]
    pub compute_type: ComputeType,
    /// What each replica gets.
    pub resources: Resources,
    /// Clouds that may be used.
    #[serde(default)]
    pub clouds: Vec<Name>,
    /// Sites that may be used.
    #[serde(default)]
    pub sites: Vec<SiteRef>,
    /// Countries in which data may be processed (ISO 3166-1 alpha-2).
    #[serde(default)]
    pub countries: Vec<String>,
    /// Most dollars an hour that one replica may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price_per_hour: Option<Money>,
    /// Whether projects share prompt prefixes that replicas have computed. Sharing saves time where many projects send
    /// the same beginning, and lets one tell by the time of an answer what another has sent.
    #[serde(default)]
    pub shared_prefix_cache: bool,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
}
