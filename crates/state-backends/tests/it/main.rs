//! The tests of the backends.

// A failed expectation is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod failing_disk;
mod kill;
mod log_cut;
mod opening;
mod suite;
#[cfg(target_os = "linux")]
mod sync;
mod workload;
