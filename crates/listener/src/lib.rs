//! Every port of the product is served through this room: HTTP/1.1 over TCP, with bounds on everything that a client
//! decides.
//!
//! A listener has a limit of connections of its own, and deadlines that hold whether or not anybody polls: for a head,
//! its body, the time between requests, a client that takes nothing, an answer as a whole. When the limit is reached, the
//! connection that has been idle longest makes room. It refuses what could be read in two ways, calls to foreign hosts,
//! and decodes bodies.
//!
//! What is *not* here: paths, credentials, limits of a service's own, and what an answer says.

mod accept;
mod body;
mod check;
mod connection;
mod decode;
pub mod descriptors;
mod framing;
pub mod hosts;
mod refused;
mod reply;
mod service;
mod state;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use body::{Body, BodyError};
pub use hosts::Hosts;
pub use refused::Refused;
pub use service::{Client, Serve, Tower};
pub use state::Limits;

/// How a listener serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in metrics and logs.
    pub name: &'static str,
    /// Most connections at once.
    pub connections_max: usize,
    /// How long a connection may take on each thing.
    pub limits: Limits,
    /// How long what runs may take to end when the listener stops.
    pub drain: Duration,
    /// Largest head of a request, in bytes.
    pub head_bytes_max: usize,
    /// Most bytes of an encoded body that are read to be decoded.
    pub body_bytes_max: u64,
    /// Whether a client that closes its sending side after its request still gets its answer. Where it does not, closing
    /// cancels the work at once.
    pub half_close: bool,
    /// By which names it may be called.
    pub hosts: Hosts,
    /// How what the listener itself refuses is put.
    pub refuse: fn(Refused) -> Response<Full<Bytes>>,
}

impl Settings {
    /// Usual settings, for a listener called `name`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            connections_max: 1_024,
            limits: accept::LIMITS,
            drain: Duration::from_secs(5),
            head_bytes_max: 64 << 10,
            body_bytes_max: 32 << 20,
            half_close: true,
            hosts: Hosts::LoopbackAnd(Vec::new()),
            refuse: Refused::into_problem_response,
        }
    }

    /// The same, called only by loopback's names and `names` when `listener` is on loopback.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn called(mut self, listener: &TcpListener, names: &[String]) -> io::Result<Self> {
        self.hosts = Hosts::for_listener(listener.local_addr()?.ip(), names);
        Ok(self)
    }
}

/// Serves until `shutdown` is cancelled, then lets running requests finish within the drain time.
pub async fn serve<S: Serve>(listener: TcpListener, settings: Settings, service: S, shutdown: CancellationToken) {
    accept::run(Arc::new(connection::Shared { service, settings }), listener, shutdown).await;
}
