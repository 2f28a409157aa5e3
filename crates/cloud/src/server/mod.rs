//! A cloud as an MCP server over Streamable HTTP, without sessions: any request can go to any process that serves it.
//!
//! One endpoint speaks protocol 2026-07-28, 2025-11-25 and 2025-06-18. It is an OAuth protected resource: every request
//! carries a bearer token that was issued for exactly this endpoint.

pub mod adapter;
pub mod audit;
mod auth;
mod dispatch;
mod follow;
mod handler;
mod operations;
mod pipeline;
pub mod roles;

use std::sync::Arc;

use access::token::Verifier;
use axum::routing::get;
use axum::{Json, Router, middleware};
use domain::{Clock, Problem};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use state::SharedStore;

pub use adapter::{Answer, CallContext, Cloud, Reply, Standing};
pub use auth::Principal;

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// Where a server is reached, and by whom.
#[derive(Clone)]
pub struct ServerAccess {
    /// Checks the callers' tokens.
    pub verifier: Verifier,
    /// The server's own URL, such as `http://127.0.0.1:8002/local/mcp`: the audience that tokens must name, and the path
    /// at which the endpoint stands.
    pub url: String,
    /// Further names by which clients reach it (the `Host` header), beside the URL's own host and the loopback names.
    pub hosts: Vec<String>,
    /// Browser origins that may call it (`https://console.example.com:443`, `http://localhost:*`). None by default:
    /// every request with an `Origin` header is then refused.
    pub origins: Vec<String>,
}

impl ServerAccess {
    /// Access for programs on this machine.
    #[must_use]
    pub fn new(verifier: Verifier, url: impl Into<String>) -> Self {
        Self { verifier, url: url.into(), hosts: Vec::new(), origins: Vec::new() }
    }
}

/// A server around a cloud.
pub struct CloudServer {
    gate: Arc<auth::Gate>,
    pipeline: Arc<pipeline::Pipeline>,
    path: String,
    transport: StreamableHttpServerConfig,
}

impl CloudServer {
    /// Serves `cloud`; operations and the audit journal are kept in `store`. Fails when the URL in `access` is none.
    pub fn new(
        cloud: Arc<dyn Cloud>,
        store: SharedStore,
        clock: Arc<dyn Clock>,
        access: ServerAccess,
    ) -> Result<Self, Problem> {
        let wrong = |cause: String| Problem::invalid(cause).at("url");
        let url: http::Uri =
            access.url.parse().map_err(|e| wrong(format!("the server's URL {:?}: {e}", access.url)))?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(wrong(format!("the server's URL {:?} has no scheme or host", access.url)));
        };
        let path = url.path().to_owned();
        // The router would take braces and stars for patterns.
        if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b)) || path.len() < 2 {
            return Err(wrong(format!("the server's URL {:?} needs a plain path, such as /local/mcp", access.url)));
        }
        let metadata_url = format!("{scheme}://{authority}{METADATA_PATH}{path}");
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        hosts.push(authority.host().to_owned());
        hosts.extend(access.hosts);
        // Sessions are off for every revision; then a plain call is answered by plain JSON.
        let transport = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(BODY_BYTES_MAX)
            .with_allowed_hosts(hosts)
            .with_allowed_origins(access.origins)
            .enforce_origin_validation();
        let operations = Arc::new(operations::Operations::new(store.clone(), clock.clone()));
        let (verifier, audience) = (access.verifier, access.url);
        let gate = Arc::new(auth::Gate { verifier, audience, metadata_url, clock: clock.clone() });
        let pipeline = Arc::new(pipeline::Pipeline { cloud, operations, store, clock });
        Ok(Self { gate, pipeline, path, transport })
    }

    /// The endpoint at its path, and its metadata document. Serve it with `axum::serve`.
    pub fn router(&self) -> Router {
        let pipeline = self.pipeline.clone();
        let service = StreamableHttpService::new(
            move || Ok(handler::Handler { pipeline: pipeline.clone() }),
            Arc::new(LocalSessionManager::default()),
            self.transport.clone(),
        );
        let metadata = auth::resource_metadata(&self.gate, self.pipeline.cloud.name());
        let document = get(move || async move { Json(metadata) });
        self.guard(Router::new().route_service(&self.path, service))
            .route(&format!("{METADATA_PATH}{}", self.path), document)
    }

    /// Puts routes behind the same gate: each request is refused without a valid token, and carries its [`Principal`].
    pub fn guard(&self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(self.gate.clone(), auth::authenticate))
    }
}
