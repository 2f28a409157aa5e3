//! What should be: decisions as pure functions from a problem in plain numbers to a solution with its reasons.
//!
//! No IO, no async, no clock: time and chance are arguments, so that the same code decides in production, in a dry run
//! and in replay.

pub mod allocation;
pub mod autoscale;
pub mod balance;
pub mod budget;
pub mod constraint;
pub mod egress;
pub mod gpu;
pub mod placement;
pub mod spot;
