//! A cloud as an MCP server over Streamable HTTP, without sessions: any request can go to any process that serves it.
//!
//! One endpoint speaks protocol 2026-07-28, 2025-11-25 and 2025-06-18. It is an OAuth protected resource: every request
//! carries a bearer token that was issued for exactly this endpoint.

pub mod adapter;
pub mod audit;
mod auth;
mod dispatch;
pub mod entrance;
mod follow;
mod handler;
mod operations;
mod pipeline;
pub mod roles;
mod sample;
mod scopes;

use std::sync::Arc;

use access::token::Verifier;
use axum::routing::get;
use axum::{Json, Router, middleware};
use domain::{Clock, Kind, Problem};
use http::StatusCode;
use state::SharedStore;

pub use adapter::{Answer, CallContext, Cloud, Reply, Standing};
pub use auth::Principal;
use entrance::{Entrance, Refusal};

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
    /// Browser origins that may call it (`https://console.example.com`, `http://localhost:*`). None by default: every
    /// request with an `Origin` header is then refused.
    pub origins: Vec<String>,
    /// The OAuth authorization servers that issue tokens for it, by their issuer URLs: told in its metadata. They sign
    /// with the key that `verifier` knows.
    pub authorization_servers: Vec<String>,
}

impl ServerAccess {
    /// Access for programs on this machine.
    #[must_use]
    pub fn new(verifier: Verifier, url: impl Into<String>) -> Self {
        let (hosts, origins, authorization_servers) = (Vec::new(), Vec::new(), Vec::new());
        Self { verifier, url: url.into(), hosts, origins, authorization_servers }
    }
}

/// A server around a cloud.
pub struct CloudServer {
    entrance: Arc<Entrance>,
    gate: Arc<auth::Gate>,
    pipeline: Arc<pipeline::Pipeline>,
    path: String,
}

impl CloudServer {
    /// Serves `cloud`; operations and the audit journal are kept in `store`. Fails when the URL in `access` or one of its
    /// origins is none.
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
        let operations = Arc::new(operations::Operations::new(store.clone(), clock.clone()));
        let (verifier, audience, authorization_servers) = (access.verifier, access.url, access.authorization_servers);
        let gate =
            Arc::new(auth::Gate { verifier, audience, metadata_url, authorization_servers, clock: clock.clone() });
        let entrance = Entrance::open(hosts, &access.origins, handler::capabilities())?.behind(gate.clone());
        let pipeline =
            Arc::new(pipeline::Pipeline { cloud, operations, store, clock, sample: parking_lot::Mutex::default() });
        Ok(Self { entrance: Arc::new(entrance), gate, pipeline, path })
    }

    /// The endpoint at its path, and its metadata document. Serve it with `listener::serve`.
    pub fn router(&self) -> Router {
        let pipeline = self.pipeline.clone();
        let make = move || handler::Handler { pipeline: pipeline.clone() };
        let scopes = Arc::new(scopes::Scopes { gate: self.gate.clone(), pipeline: self.pipeline.clone() });
        let endpoint = self
            .entrance
            .serve(&self.path, make, |inner| inner.layer(middleware::from_fn_with_state(scopes, scopes::check)));
        let metadata = self.gate.resource_metadata(self.pipeline.cloud.name());
        let document = get(move || async move { Json(metadata) });
        let open = Router::new().route(&format!("{METADATA_PATH}{}", self.path), document);
        let path = self.path.clone();
        endpoint.merge(self.entrance.open_to_all(open)).fallback(move || async move { no_such_path(&path) })
    }

    /// Puts routes behind the same checks: each request is refused without a valid token, and carries its [`Principal`].
    pub fn guard(&self, routes: Router) -> Router {
        self.entrance.guard(routes)
    }
}

fn no_such_path(endpoint: &str) -> Refusal {
    let problem = Problem::new(Kind::NotFound, "nothing is served at this path")
        .next(format!("call the MCP endpoint at {endpoint}"));
    Refusal::http(StatusCode::NOT_FOUND, problem)
}
