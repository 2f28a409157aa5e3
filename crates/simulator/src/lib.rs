//! Worlds replayed from traces, in which the product's own decisions are judged beside published ones and a bound.
//!
//! The decisions are the functions of `planning`; this crate reads traces, moves time, charges money and holds the rival
//! policies. A policy is shown the present tick and its own past, never the rest of the trace.

pub mod autoscale;
pub mod batch;
pub mod bench;
pub mod budget;
pub mod checkpoint;
pub mod command;
mod csv;
pub mod draw;
pub mod egress;
pub mod flows;
pub mod generate;
pub mod network;
pub mod outage;
pub mod place;
pub mod prices;
pub mod problem;
pub mod route;
pub mod scenario;
pub mod serve;
mod stopwatch;
mod svg;
pub mod trace;

pub use command::{Command, Output, OutputFormat, run};
pub use problem::SimulationError;
