//! The nouns of the control plane: what is registered, wanted, found, priced and refused.
//!
//! Pure data with parsing and validation. No IO, no async, and no clock but the one passed in. This
//! crate stays small: a type belongs here only when two rooms must agree on it.

pub mod autoscaling;
pub mod clock;
pub mod deployment;
pub mod environment;
pub mod model;
pub mod money;
pub mod name;
pub mod place;
pub mod problem;
pub mod replica;
pub mod resources;
pub mod routing;
pub mod secret;
pub mod text;

pub use autoscaling::{Autoscaling, ReplicaCarries};
pub use clock::{Clock, ManualClock, Monotonic, SystemClock, Timestamp};
pub use deployment::{Deployment, Market};
pub use environment::{ComputeType, Environment};
pub use model::{Model, ModelRef};
pub use money::Money;
pub use name::{Digest, Name};
pub use place::{CloudSite, GeoPoint, SiteRef};
pub use problem::{Kind, Problem};
pub use replica::{Replica, ReplicaPhase};
pub use resources::Resources;
pub use routing::{DeadlyRequest, GatewayStatus, KeyGrant, ModelDemand, ModelRoute, ReplicaRoute, RoutingSnapshot};
pub use secret::Secret;
