//! The control plane against a cloud in this process that can fail at any call, and a store that can die at any commit.

// What a test helper cannot go on without is a failure of the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod autoscale;
mod clock_steps;
mod crash;
mod edge;
mod fake_cloud;
mod fuse;
mod health;
mod house;
mod keys;
mod leadership;
mod memory;
mod reconcile;
mod registration;
mod stand_in;
mod wire;
