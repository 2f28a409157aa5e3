//! The gateway behind its port: gives each request an id and a record, and finds who answers it. Connections are
//! `crates/listener`'s.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response};
use listener::{Body as RequestBody, Client, Limits, Refused, Serve, Settings};
use rand::RngCore as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::answers;
use crate::body::Body;
use crate::config::GatewayConfig;
use crate::cors;
use crate::endpoint::{Endpoint, Route, route};
use crate::meter::Outcome;
use crate::pipeline;
use crate::refusal::Refusal;
use crate::settle::Ticket;
use crate::shared::Shared;

/// Beyond the time that a request may take in all: to tell the client that it is over, and for the slowest of its own
/// deadlines to be told before the connection is cut.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `shutdown`, then lets what runs finish within the drain time.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    let settings = settings(&shared.config).called(&listener, &shared.config.hosts)?;
    listener::serve(listener, settings, Edge(shared), shutdown).await;
    Ok(())
}

fn settings(config: &GatewayConfig) -> Settings {
    Settings {
        connections_max: config.connections_max,
        limits: Limits {
            head: Duration::from_millis(config.client_idle_ms),
            idle: Duration::from_millis(config.connection_idle_ms),
            // The gateway itself says when a body is late; this ends one that nobody waits for.
            body: Duration::from_millis(config.body_ms) + GRACE,
            stall: Duration::from_millis(config.client_stall_ms),
        },
        drain: Duration::from_millis(config.drain_ms),
        body_bytes_max: config.body_bytes_max,
        refuse: Refused::into_openai_response,
        ..Settings::new("gateway")
    }
}

/// What the listener serves.
struct Edge(Arc<Shared>);

impl Serve for Edge {
    type Reply = Body;

    /// Any request: its id, its route, its answer.
    async fn answer(&self, request: Request<RequestBody>, client: Client) -> Response<Body> {
        let shared = &self.0;
        let id = request_id(shared);
        let allowed = cors::allow(&shared.config.cors_origins, request.method(), request.headers());
        let answered = match route(request.method(), request.uri().path()) {
            Ok(Route::Infer(endpoint)) => infer(shared, endpoint, request, &id, client).await,
            Ok(Route::Models) => answers::models(shared, request.headers()),
            Ok(Route::Model(name)) => answers::model(shared, request.headers(), &name),
            Ok(Route::Health) => Ok(answers::health(shared, request.headers())),
            Ok(Route::Metrics) => answers::metrics(shared, &request, &client),
            Ok(Route::Options(allow)) => Ok(answers::options(allow)),
            Err(refusal) => Err(refusal),
        };
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        response.headers_mut().insert("x-request-id", id);
        mark(response.headers_mut(), allowed);
        response
    }
}

/// Adds what browsers must know.
fn mark(headers: &mut HeaderMap, allowed: HeaderMap) {
    for (name, value) in &allowed {
        if name == http::header::VARY {
            headers.append(name, value.clone());
        } else {
            headers.insert(name, value.clone());
        }
    }
}

/// A request for inference, with its record and the time by which its answer ends.
async fn infer(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    mut request: Request<RequestBody>,
    id: &HeaderValue,
    client: Client,
) -> Result<Response<Body>, Refusal> {
    client.must_end_by(Instant::now() + Duration::from_millis(shared.config.request_ms) + GRACE);
    let mut ticket = Some(Ticket::new(Arc::clone(&shared.meter)));
    request.headers_mut().insert("x-request-id", id.clone());
    let mut answered = pipeline::infer(shared, endpoint, request, &mut ticket).await;
    match (&mut answered, &mut ticket) {
        (Ok(response), _) => response.body_mut().goes_to(client),
        (Err(refusal), Some(ticket)) => ticket.ended(outcome_of(refusal)),
        (Err(_), None) => {}
    }
    answered
}

fn outcome_of(refusal: &Refusal) -> Outcome {
    if refusal.exhausted {
        Outcome::Failed
    } else if refusal.retry_after_seconds.is_some() {
        Outcome::Overloaded
    } else {
        Outcome::Rejected
    }
}

/// `req_` and 32 hexadecimal digits.
fn request_id(shared: &Shared) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut random = [0_u8; 16];
    shared.chance.draw().fill_bytes(&mut random);
    let mut text = *b"req_00000000000000000000000000000000";
    for (pair, byte) in text[4..].chunks_exact_mut(2).zip(random) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("req_"))
}
