//! The tool contract: fourteen tools, the same on every cloud.
//!
//! A tool is a type: its name, its arguments, its result and its annotations stand together in [`tools`],
//! [`infrastructure`] and [`operations`]. Servers list them from [`catalog()`], clients call them by type. Nothing here
//! knows a wire or a cloud.

pub mod canonical;
mod catalog;
pub mod envelope;
pub mod infrastructure;
pub mod labels;
pub mod operations;
mod schema;
pub mod tools;

pub use catalog::{ToolSpec, catalog, find};
pub use envelope::{Cost, Envelope, Operation, OperationState, Status};
pub use labels::Labels;
