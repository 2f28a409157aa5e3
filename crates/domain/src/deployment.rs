//! A deployment: how many replicas of a model are wanted, and in which environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autoscaling::Autoscaling;
use crate::clock::Timestamp;
use crate::model::ModelRef;
use crate::name::Name;

/// How instances are bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    /// Kept until given back.
    #[default]
    OnDemand,
    /// Cheaper, and can be taken back at any time.
    Spot,
}

/// What is wanted. The reconciler makes the world match it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Its name: `<model>-<environment>` unless chosen otherwise.
    pub name: Name,
    /// A unique id, so that a deployment deleted and made again under the same name is another one.
    pub uid: String,
    /// The model.
    pub model: ModelRef,
    /// The environment.
    pub environment: Name,
    /// Replicas wanted: as asked for, or with `autoscaling` as last decided.
    pub replicas: u32,
    /// How the replicas follow the load; without it their number stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// How its instances are bought.
    #[serde(default)]
    pub market: Market,
    /// Set when it is to be removed: the reconciler drains its replicas, and then the object goes.
    #[serde(default)]
    pub deleting: bool,
    /// When it was created.
    pub created_at: Timestamp,
}
