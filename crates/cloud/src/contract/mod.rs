//! The tool contract: fourteen tools, the same on every cloud.
//!
//! A tool is a type: its name, its arguments, its result and its annotations stand together in [`tools`]. Servers list
//! them from [`catalog`], clients call them by type. Nothing here knows a wire or a cloud.

pub mod envelope;
pub mod tools;

pub use envelope::{Envelope, Operation, OperationState, Status};
