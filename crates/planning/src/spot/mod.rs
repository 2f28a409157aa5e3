//! Spot capacity: what is known of it, and what to do with it.
//!
//! [`survival`] learns how long capacity lasts and [`holding`] what is taken away, both from what was seen; [`batch`] uses
//! the first for work with a deadline, [`serving`] the second for replicas that must be ready. Pure: the caller says
//! what it saw and how much time passed.

pub mod allocation;
pub mod batch;
pub mod batch_value;
pub mod checkpoint;
pub mod hazard;
pub mod holding;
pub mod serving;
pub mod survival;

pub use batch::{BatchDecision, BatchJob, BatchPlanner, BatchReason, BatchSituation, Run};
pub use hazard::AgeClass;
pub use serving::{ServingDecision, ServingGoal, ServingPlanner, ServingSituation, ZoneState};
pub use survival::Survival;
