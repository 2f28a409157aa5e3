//! What can be seen from outside: logs, metrics, and the names of background tasks.

pub mod log;
pub mod metric;
pub mod tasks;
