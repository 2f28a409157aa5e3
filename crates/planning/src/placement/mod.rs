//! Which offer each task of a job runs on, at the least cost, with the proof and the reasons.
//!
//! A [`Problem`] is tasks in a directed acyclic graph, offers (cloud, region, zone, instance, market) and prices. Its cost is
//! the machines' price over their running time with checkpoints and lost work ([`cost`]), plus what leaves a region
//! ([`transfer`]), plus a price on waiting for it. Hard filters come first, each with its reason ([`filter`]). What is left
//! is solved exactly: offers of a region collapse into its cheapest (data moves between regions, so nothing else tells them
//! apart), a tree is solved by dynamic programming ([`tree`]) and any other graph by branch and bound ([`search`]) on a dual
//! bound ([`ascent`]) from good plans ([`local`]). The problem's form is described in docs/placement.md.
//!
//! Not here: whether the machines exist right now, and tasks that compete for one quota: an offer's headroom is held
//! against each task by itself.

pub mod ascent;
mod check;
pub mod classes;
pub mod cost;
pub mod filter;
mod flow;
mod local;
pub mod network;
pub mod problem;
pub mod search;
pub mod solution;
pub mod transfer;
pub mod tree;

pub use cost::{Collapsed, Costs};
pub use filter::Rejection;
pub use problem::{Offer, PlacementError, Problem, Task};
pub use solution::{Binding, Placement, Plan, WhyNot, bindings, place, why_not};
