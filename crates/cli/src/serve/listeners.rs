//! The addresses to listen on.

use std::net::SocketAddr;

use domain::{Kind, Problem};
use tokio::net::TcpListener;

use crate::config::ListenConfig;

/// Addresses are taken before anything else starts, so that a port in use leaves nothing half-begun.
pub struct Listeners {
    /// The gateway.
    pub gateway: TcpListener,
    /// The control plane.
    pub control: TcpListener,
    /// The local cloud's MCP server.
    pub local_cloud: TcpListener,
    /// The addresses that were had: a port of 0 has become a real one.
    pub addresses: ListenConfig,
}

impl Listeners {
    /// Takes all of them, or none.
    pub async fn bind(listen: ListenConfig) -> Result<Self, Problem> {
        let gateway = bind(listen.gateway, "listen.gateway", "MCP_GATEWAY_LISTEN").await?;
        let control = bind(listen.control, "listen.control", "MCP_CONTROL_LISTEN").await?;
        let local_cloud = bind(listen.local_cloud, "listen.local_cloud", "MCP_LOCAL_CLOUD_LISTEN").await?;
        let address = |listener: &TcpListener| listener.local_addr().map_err(|e| Problem::internal(e.to_string()));
        let addresses = ListenConfig {
            gateway: address(&gateway)?,
            control: address(&control)?,
            local_cloud: address(&local_cloud)?,
        };
        Ok(Self { gateway, control, local_cloud, addresses })
    }
}

async fn bind(address: SocketAddr, field: &str, variable: &str) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::AddrInUse { Kind::Conflict } else { Kind::Unavailable };
        Problem::new(kind, format!("{address} cannot be listened on: {error}"))
            .next(format!("stop what uses it ('ss -ltnp' shows it), or set another address with {variable}"))
            .at(field)
    })
}
