//! Connections: accepts them, gives each request an id and a record, and lets what runs finish when the gateway stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::RngCore as _;
use telemetry::tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answers;
use crate::body::Body;
use crate::endpoint::{Route, route};
use crate::meter::Outcome;
use crate::pipeline;
use crate::refusal::Refusal;
use crate::settle::Ticket;
use crate::shared::Shared;

/// How long to wait after the listener failed, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets what runs finish within the drain time.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(shared.config.connections_max));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            // Beyond the limit, connections wait in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = serve_connection(Arc::clone(&shared), stream, peer, shutdown.clone());
                let held = connections.track_future(async move {
                    served.await;
                    drop(place);
                });
                tasks::spawn("gateway connection", held);
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let drain = Duration::from_millis(shared.config.drain_ms);
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections cut: they did not end within the drain time");
    }
}

async fn serve_connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, shutdown: CancellationToken) {
    // Small writes must leave at once; without it a reused connection stalls for the peer's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let is_local = peer.ip().is_loopback();
    let header_time = Duration::from_millis(shared.config.client_idle_ms);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request, is_local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Any request: its id, its route, its answer.
async fn answer(shared: &Arc<Shared>, request: Request<Incoming>, is_local: bool) -> Response<Body> {
    let id = request_id(shared);
    let answered = match route(request.method(), request.uri().path()) {
        Ok(Route::Infer(endpoint)) => {
            let mut ticket = Some(Ticket::new(Arc::clone(&shared.meter)));
            let mut request = request;
            request.headers_mut().insert("x-request-id", id.clone());
            let answered = pipeline::infer(shared, endpoint, request, &mut ticket).await;
            if let (Err(refusal), Some(ticket)) = (&answered, &mut ticket) {
                ticket.ended(outcome_of(refusal));
            }
            answered
        }
        Ok(Route::Models) => answers::models(shared, request.headers()),
        Ok(Route::Model(name)) => answers::model(shared, request.headers(), &name),
        Ok(Route::Health) => Ok(answers::health(shared)),
        Ok(Route::Metrics) => answers::metrics(shared, is_local),
        Err(refusal) => Err(refusal),
    };
    let mut response = answered.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert("x-request-id", id);
    response
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
