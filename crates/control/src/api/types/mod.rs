//! What goes over the wire: requests as clients write them, and views as they read them. Clients use these types too.
//!
//! Prices are nano-dollars ([`domain::Money`]), times microseconds since the Unix epoch ([`domain::Timestamp`]).

mod requests;
mod views;

pub use requests::{
    CreateDeployment, CreateEnvironment, CreateKey, EventsQuery, LogsQuery, RegisterModel, ScaleDeployment,
};
pub use views::{
    CloudStatus, DeploymentPhase, DeploymentView, ErrorBody, EventView, Health, KeyCreated, KeyView, ListOf, Plan,
    PlanAction, PlannedMemory, PlannedSite, RejectedSite, ReplicaLoad, ReplicaLogs, ReplicaView, SiteView,
};
