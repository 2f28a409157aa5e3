//! Spot capacity: what is known of it, and what to do with it.
//!
//! [`survival`] learns how long capacity lasts, [`holding`] and [`together`] what is taken away, all from what was seen;
//! [`batch`] uses the first for work with a deadline, [`serving`] the others for replicas that must be ready. Pure: the
//! caller says what it saw and how much time passed.

pub mod allocation;
pub mod batch;
pub mod batch_value;
pub mod budget;
pub mod holding;
pub mod search;
pub mod serving;
pub mod survival;
pub mod together;

pub use batch::{BatchDecision, BatchJob, BatchPlanner, BatchReason, BatchSituation, Run};
pub use serving::{ServingDecision, ServingGoal, ServingPlanner, ServingSituation, ZoneState};
pub use survival::{AgeClass, Survival};
