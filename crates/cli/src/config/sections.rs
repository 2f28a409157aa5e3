//! The sections of the configuration. Their docs are the manual; libraries receive their own section.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cloud::server::ServerAccess;
use control::ControlConfig;
use domain::Problem;
use serde::{Deserialize, Serialize};

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data folder: state, models, logs, keys.
    pub data_dir: PathBuf,
    /// Logs.
    pub log: LogConfig,
    /// Addresses to listen on.
    pub listen: ListenConfig,
    /// What all servers of this process share.
    pub http: HttpConfig,
    /// The data plane.
    pub gateway: gateway::GatewayConfig,
    /// The control plane.
    pub control: ControlSection,
    /// The cloud on this machine.
    pub local: cloud::local::LocalCloudConfig,
    /// Who may reach the local cloud's MCP server.
    pub local_server: ServerSection,
    /// Fetching models.
    pub pull: PullConfig,
}

/// Logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Which lines are written, in the form of `tracing-subscriber`'s `EnvFilter`.
    pub filter: String,
    /// How they look.
    pub format: telemetry::log::Format,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info,rmcp=warn".to_owned(), format: telemetry::log::Format::default() }
    }
}

/// Addresses to listen on. All are on this machine alone unless changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// The gateway: the OpenAI-compatible API.
    pub gateway: SocketAddr,
    /// The control plane's REST API.
    pub control: SocketAddr,
    /// The local cloud's MCP server.
    pub local_cloud: SocketAddr,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { gateway: on(8000), control: on(8001), local_cloud: on(8002) }
    }
}

/// Who may reach an MCP server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Further names by which clients reach it (the `Host` header), beside the address that it listens on and the loopback
    /// names.
    pub hosts: Vec<String>,
    /// Browser origins whose pages may call it, such as `https://console.example.com` or `http://localhost:*`.
    pub origins: Vec<String>,
    /// Issuer URLs of the OAuth authorization servers that issue tokens for it; its metadata names them. They sign with
    /// the key in `signing.pem`.
    pub authorization_servers: Vec<String>,
}

impl ServerSection {
    /// These settings in the access of a server.
    #[must_use]
    pub fn with(&self, access: ServerAccess) -> ServerAccess {
        let Self { hosts, origins, authorization_servers } = self.clone();
        ServerAccess { hosts, origins, authorization_servers, ..access }
    }
}

/// What all servers of this process share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Further names by which clients call the servers (the `host` header). Those that listen on loopback answer loopback's
    /// own names and these alone, so that a page in a browser cannot reach them under a name of its own.
    pub hosts: Vec<String>,
}

/// The control plane's patience.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSection {
    /// Milliseconds that a removal waits for the gateway to drain.
    pub drain_ms: i64,
    /// Milliseconds that a site must be out before its replicas are placed elsewhere.
    pub site_out_ms: i64,
    /// Milliseconds that a site must be back before replicas return.
    pub site_back_ms: i64,
    /// Milliseconds that a cloud may be silent before its sites count as out.
    pub cloud_silent_ms: i64,
    /// Milliseconds between looks of each reconciler when nothing wakes it.
    pub tick_ms: u64,
}

impl Default for ControlSection {
    fn default() -> Self {
        let ControlConfig { drain_ms, site_out_ms, site_back_ms, cloud_silent_ms, tick_ms, .. } =
            ControlConfig::new("", "");
        Self { drain_ms, site_out_ms, site_back_ms, cloud_silent_ms, tick_ms }
    }
}

impl ControlSection {
    /// These settings in the control plane's own configuration.
    #[must_use]
    pub fn with(self, config: ControlConfig) -> ControlConfig {
        let Self { drain_ms, site_out_ms, site_back_ms, cloud_silent_ms, tick_ms } = self;
        ControlConfig { drain_ms, site_out_ms, site_back_ms, cloud_silent_ms, tick_ms, ..config }
    }
}

/// Fetching models.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PullConfig {
    /// Where `hf://owner/repo/file.gguf` is fetched from: `{hub_url}/owner/repo/resolve/main/file.gguf`.
    pub hub_url: String,
    /// Seconds without a byte after which a download is given up (and can be resumed).
    pub idle_timeout_seconds: u64,
}

impl Default for PullConfig {
    fn default() -> Self {
        Self { hub_url: "https://huggingface.co".to_owned(), idle_timeout_seconds: 60 }
    }
}

impl Config {
    /// Rules that hold between fields.
    pub fn check(&self) -> Result<(), Problem> {
        let listen = &self.listen;
        let ports = [("gateway", listen.gateway), ("control", listen.control), ("local_cloud", listen.local_cloud)];
        for (index, (name, address)) in ports.iter().enumerate() {
            if let Some((other, _)) =
                ports[..index].iter().find(|(_, earlier)| earlier == address && address.port() != 0)
            {
                return Err(Problem::invalid(format!("listen.{name} and listen.{other} are both {address}"))
                    .next("give each its own port")
                    .at(format!("listen.{name}")));
            }
        }
        self.gateway.check()?;
        if self.data_dir.as_os_str().is_empty() {
            return Err(Problem::invalid("the data folder is empty")
                .next("set data_dir or MCP_DATA_DIR")
                .at("data_dir"));
        }
        Ok(())
    }
}
