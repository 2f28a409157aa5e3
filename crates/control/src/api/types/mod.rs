//! What goes over the wire: requests as clients write them, and views as they read them. Clients use these types too.
//!
//! Prices are nano-dollars ([`domain::Money`]), times microseconds since the Unix epoch ([`domain::Timestamp`]).

mod health;
mod keys;
mod requests;
mod views;

pub use health::{CloudHealth, GatewayHealth, Health, HealthReport, ReconcilerHealth, StalePart};
pub use keys::{AdminToken, Confirmation, KeyChanged, KeyCreated, KeyView};

pub use requests::{
    AutoscalingRequest, ChangeKey, CreateDeployment, CreateEnvironment, CreateKey, EventsQuery, LogsQuery,
    RegisterModel, RotateKey, ScaleDeployment,
};
pub use views::{
    AutoscalingView, CloudStatus, DeploymentPhase, DeploymentView, ErrorBody, EventView, ListOf, Plan, PlanAction,
    PlannedMemory, PlannedSite, RejectedSite, ReplicaLoad, ReplicaLogs, ReplicaView, SiteView,
};
