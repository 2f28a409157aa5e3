//! How many replicas to run, decided one cold start ahead.
//!
//! The load is in replicas: 1.0 keeps one replica exactly busy ([`demand`] makes it from requests and tokens). What is
//! wanted is the forecast at the horizon of a cold start ([`forecast`]) with a margin that is learned from the forecast's
//! own misses, until the share of load over capacity is what the objective allows ([`margin`]). Knative's panic and
//! backlog drain are the fast path; [`variants`] spreads the count over kinds of replicas.

pub mod demand;
pub mod forecast;
pub mod margin;
pub mod planner;
pub mod variants;

pub use demand::{Demand, ReplicaCapacity};
pub use planner::{AutoscaleDecision, AutoscaleGoal, AutoscaleReason, AutoscaleSituation, Autoscaler};
pub use variants::{Variant, cheapest_mix};
