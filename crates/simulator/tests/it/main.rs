//! The simulator seen from outside, on worlds of its own making.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod autoscale;
mod batch;
mod bench;
mod budget;
mod checkpoint;
mod clients;
mod documents;
mod flows;
mod line;
mod network;
mod place;
mod place_limits;
mod place_names;
mod place_relays;
mod prices;
mod refused;
mod route;
mod scenario;
mod serve;
mod traces;
