//! One request to one replica: what is sent, and what its answer means.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, header, response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::choose::Chosen;
use crate::config::GatewayConfig;
use crate::endpoint::Endpoint;
use crate::in_flight::InFlight;
use crate::meter::RetryReason;
use crate::pool::{Connection, UpstreamError};
use crate::prompt::PromptOutline;
use crate::read::Pieces;
use crate::relay::{Event, Relay, Usage};
use crate::replica::Replica;
use crate::table::Model;

/// A request as replicas get it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) stream: bool,
    /// The client did not ask for the stream's usage; the gateway did.
    pub(crate) strip_usage: bool,
    /// Its prompt, as the choice of a replica sees it.
    pub(crate) prompt: PromptOutline,
}

/// What a replica answered.
pub(crate) enum Reply {
    /// An answer read to its end.
    Whole { head: response::Parts, body: Bytes, usage: Option<Usage> },
    /// A stream whose first content has come, with the frames up to it.
    Stream { head: response::Parts, held: Bytes, relay: Box<Relay> },
}

/// Why an attempt gave no answer. Another replica may do better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It has no room: not a fault.
    Busy { status: StatusCode, retry_after_seconds: Option<u64> },
    /// Nothing listens there.
    Refused,
    /// The connection broke, or could not be made.
    Lost(&'static str),
    /// It answered with a fault of its own.
    Status(StatusCode),
    /// It took too long, or was found to be down meanwhile.
    Stalled(&'static str),
    /// The gateway itself could not open a connection: says nothing of the replica.
    Exhausted,
}

impl Failure {
    pub(crate) fn reason(&self) -> RetryReason {
        match self {
            Self::Busy { .. } => RetryReason::Busy,
            Self::Refused => RetryReason::Refused,
            Self::Lost(_) => RetryReason::Lost,
            Self::Status(_) => RetryReason::Status,
            Self::Stalled(_) => RetryReason::Stalled,
            Self::Exhausted => RetryReason::Exhausted,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy { status, .. } => write!(f, "the replica is busy ({})", status.as_u16()),
            Self::Refused => f.write_str("the replica refused the connection"),
            Self::Lost(what) | Self::Stalled(what) => f.write_str(what),
            Self::Exhausted => f.write_str("the gateway could not open a connection"),
            Self::Status(status) => write!(f, "the replica answered {}", status.as_u16()),
        }
    }
}

/// Asks the replica that was chosen. Dropping the future cancels the work there.
pub(crate) async fn ask(
    model: &Arc<Model>,
    chosen: &Chosen,
    call: &Outgoing,
    config: &GatewayConfig,
) -> Result<Reply, Failure> {
    let replica = &chosen.seat(model).replica;
    let mut on = InFlight::begin(model, chosen, &call.prompt);
    let asked = async {
        let first_content = Duration::from_millis(config.first_content_ms);
        let slow = |_| Failure::Stalled("the replica gave no answer in time");
        let (connection, response) = timeout(first_content, send(replica, call)).await.map_err(slow)??;
        judge(response.status(), response.headers())?;
        let is_stream = call.stream && is_event_stream(response.headers()) && response.status().is_success();
        let (head, body) = response.into_parts();
        if is_stream {
            let relay = Box::new(Relay::new(body, connection, on, call.strip_usage));
            return timeout(first_content, open(head, relay)).await.map_err(slow)?;
        }
        let body = collect(body, config.answer_bytes_max).await?;
        replica.pool.give_back(connection);
        let usage = head.status.is_success().then(|| usage_of(&body)).flatten();
        if head.status.is_success() {
            on.answered(usage);
        } else {
            on.turned_down();
        }
        Ok(Reply::Whole { head, body, usage })
    };
    tokio::select! {
        biased;
        reply = asked => reply,
        () = replica.given_up() => Err(Failure::Stalled("the replica went down")),
    }
}

/// Sends the request and waits for the head of the answer. An idle connection may have been closed by the replica just
/// now, which is not its fault: the request goes out again on a new one.
async fn send(replica: &Replica, call: &Outgoing) -> Result<(Connection, Response<Incoming>), Failure> {
    let mut connection = replica.pool.connection(false).await.map_err(failure)?;
    match connection.send(request(replica, call)).await {
        Ok(response) => Ok((connection, response)),
        Err(UpstreamError::Lost) if connection.reused => {
            let mut connection = replica.pool.connection(true).await.map_err(failure)?;
            let response = connection.send(request(replica, call)).await.map_err(failure)?;
            Ok((connection, response))
        }
        Err(error) => Err(failure(error)),
    }
}

fn request(replica: &Replica, call: &Outgoing) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = replica.uri(call.endpoint);
    *request.headers_mut() = call.headers.clone();
    replica.address(request.headers_mut());
    request
}

fn failure(error: UpstreamError) -> Failure {
    match error {
        UpstreamError::Refused => Failure::Refused,
        UpstreamError::ConnectTimeout => Failure::Lost("the replica could not be connected to in time"),
        UpstreamError::Unreachable => Failure::Lost("the replica could not be connected to"),
        UpstreamError::Exhausted => Failure::Exhausted,
        UpstreamError::Lost => Failure::Lost("the connection to the replica was lost"),
    }
}

/// What a status means: 429 and 503 say "no room here", other faults of the server say "broken here".
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Err(Failure::Busy { status, retry_after_seconds: seconds })
        }
        // The client was let in by the gateway: what the replica refuses is the gateway's own credential.
        StatusCode::UNAUTHORIZED => Err(Failure::Status(status)),
        // What is not implemented here is not implemented on its twin either.
        StatusCode::NOT_IMPLEMENTED => Ok(()),
        status if status.is_server_error() => Err(Failure::Status(status)),
        _ => Ok(()),
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Reads a stream up to its first content, so that until then another replica can take over unseen.
async fn open(head: response::Parts, mut relay: Box<Relay>) -> Result<Reply, Failure> {
    let mut held = BytesMut::new();
    loop {
        match poll_fn(|cx| relay.poll_next(cx)).await {
            Event::Frames(frames) => held.extend_from_slice(&frames),
            Event::End => return Ok(Reply::Stream { head, held: held.freeze(), relay }),
            Event::Broken(why) => return Err(Failure::Lost(why)),
        }
        if relay.has_error() {
            return Err(Failure::Lost("the replica reported an error"));
        }
        if relay.has_content() {
            relay.began();
            return Ok(Reply::Stream { head, held: held.freeze(), relay });
        }
    }
}

async fn collect(mut body: Incoming, limit_bytes: usize) -> Result<Bytes, Failure> {
    let lost = |_| Failure::Lost("the connection to the replica was lost");
    let mut pieces = Pieces::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(lost)?.into_data() else { continue };
        if pieces.len() + data.len() > limit_bytes {
            return Err(Failure::Lost("the replica's answer was too large"));
        }
        pieces.add(data, usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit_bytes));
    }
    Ok(pieces.join())
}

fn usage_of(body: &[u8]) -> Option<Usage> {
    #[derive(serde::Deserialize)]
    struct Answer {
        usage: Option<Usage>,
    }
    serde_json::from_slice::<Answer>(body).ok()?.usage
}
