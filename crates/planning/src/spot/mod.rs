//! Spot capacity: what is known of it, and what to do with it.
//!
//! Two questions are kept apart, as the data that answer them are: can anything be had ([`survival`], which [`batch`] and
//! [`checkpoint`] use for work with a deadline), and is what is held still up ([`holding`] and [`together`], which
//! [`serving`] uses for replicas that must be ready). Each is one model of a zone, learned from what was seen. Pure: the
//! caller says what it saw and how much time passed.

pub mod allocation;
pub mod batch;
pub mod batch_pool;
pub mod batch_value;
pub mod checkpoint;
pub mod error_budget;
pub mod hazard;
pub mod holding;
pub mod search;
pub mod serving;
pub mod survival;
pub mod together;

pub use batch::{BatchDecision, BatchJob, BatchPlanner, BatchReason, BatchSituation, Run};
pub use serving::{ServingDecision, ServingGoal, ServingPlanner, ServingSituation, ZoneState};
pub use survival::Survival;
