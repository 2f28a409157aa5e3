//! What should be: choices as pure functions from a problem in plain numbers to a solution with its reasons.

pub mod balance;
