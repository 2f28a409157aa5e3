//! The gateway against scripted replicas, over real connections on this machine.

// A test that cannot go on ends by a panic, also in the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod bench;
mod choice;
mod context;
mod deadly;
mod demand;
mod descriptors;
mod edge;
mod failover;
mod faults;
mod health;
mod limits;
mod metrics;
mod pause;
mod salt;
mod slow_clients;
mod snapshots;
mod streams;
mod upstream;
