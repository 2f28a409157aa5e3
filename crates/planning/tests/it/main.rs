//! Planning seen from outside.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod budget;
mod egress;
mod gpu;
