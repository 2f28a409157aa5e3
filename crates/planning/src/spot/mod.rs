//! Spot capacity: what is known of it, and what to do with it.
//!
//! [`survival`] learns how long capacity lasts from what was seen; [`batch`] uses it for work with a deadline,
//! [`serving`] for replicas that must be ready. Pure: the caller says what it saw and how much time passed.

pub mod batch;
pub mod batch_value;
pub mod survival;

pub use batch::{BatchJob, BatchPlanner, BatchSituation, Run};
pub use survival::{AgeClass, Survival};
