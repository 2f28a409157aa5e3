//! The simulator seen from outside, on worlds of its own making.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod autoscale;
mod batch;
mod budget;
mod flows;
mod place;
mod place_limits;
mod place_relays;
mod route;
mod scenario;
mod serve;
mod traces;
