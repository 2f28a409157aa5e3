//! How many replicas to run, decided one cold start ahead.
//!
//! The load is in replicas: 1.0 keeps one replica exactly busy ([`demand`] makes it from requests and tokens). What is
//! wanted is the forecast at the horizon of a cold start ([`forecast`]) with a margin that is learned from the forecast's
//! own misses, until the share of load over capacity is what the objective allows ([`margin`]). Knative's panic and
//! backlog drain are the fast path, and [`idle`] says when none at all is cheapest. [`meter`] makes the load from what
//! gateways count, [`share`] divides it among the deployments of one model, [`variants`] spreads the count over kinds of
//! replicas, and [`explain`] says a decision in a sentence.

pub mod demand;
pub mod explain;
pub mod forecast;
pub mod idle;
pub mod margin;
pub mod meter;
pub mod planner;
pub mod share;
pub mod situation;
pub mod variants;

pub use demand::{Demand, ReplicaCapacity};
pub use explain::explain;
pub use meter::{Counted, LoadMeter};
pub use planner::Autoscaler;
pub use share::{Sharer, share_of};
pub use situation::{AutoscaleDecision, AutoscaleGoal, AutoscaleReason, AutoscaleSituation};
pub use variants::{Mix, Variant, cheapest_mix};
