//! Clouds as Model Context Protocol servers: one tool contract, its server and client, and the cloud on this machine.

pub mod contract;
