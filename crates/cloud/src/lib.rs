//! Clouds as Model Context Protocol servers: one tool contract, its server and client, and the cloud on this machine.
//!
//! To add a cloud: implement [`server::Cloud`] for it, serve it with [`server::CloudServer`], and run [`conformance`]
//! against it.

pub mod client;
pub mod conformance;
pub mod contract;
pub mod local;
pub mod server;
