//! Which offer each task of a job runs on, at the least cost, with the proof and the reasons.
//!
//! A [`Problem`] is tasks in a directed acyclic graph, offers (cloud, region, zone, instance, market) and prices. Its cost is
//! the machines' price over their running time with checkpoints and lost work ([`cost`]), plus what leaves a region
//! ([`transfer`], through at most one relay), plus a price on waiting for it. Hard filters come first, each with its reason
//! ([`filter`]). What is left is solved exactly: offers of a region collapse into its cheapest (data moves between regions, so nothing else tells them
//! apart), a tree is solved by dynamic programming ([`tree`]) and any other graph by branch and bound ([`search`]) on a dual
//! bound ([`ascent`]), from good plans that graph cuts give. The problem's form is described in docs/placement.md.
//!
//! Quotas that tasks share and the budget hold for the whole plan (`limits`): the search prices what is scarce.
//!
//! Not here: whether the machines exist right now.

pub mod ascent;
mod check;
pub mod classes;
pub mod cost;
mod error;
mod explain;
pub mod filter;
mod flow;
mod limits;
mod local;
pub mod network;
mod order;
mod pool;
pub mod problem;
mod rate;
pub mod search;
pub mod sites;
pub mod solution;
pub mod transfer;
pub mod tree;

pub use cost::{Collapsed, Costs};
pub use error::PlacementError;
pub use explain::{Binding, WhyNot, bindings, why_not};
pub use filter::Rejection;
pub use problem::{Offer, Problem, Task};
pub use solution::{Placement, Plan, place};
pub use transfer::Relayed;
