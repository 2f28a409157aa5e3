//! The cloud over the wire, and the local cloud with real processes.

// The functions that tests share fail like the tests themselves; seeds are printed.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod around;
mod catalog;
mod crash;
mod faults;
mod full_store;
mod fuzz;
mod healing;
mod host;
mod kept_store;
mod once;
mod orphans;
mod stand_in;
mod truth;
mod watchdog;
mod wire;
mod world;
