//! One request to one replica: what is sent, and what its answer means.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, header, response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::choose::Chosen;
use crate::config::GatewayConfig;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, Fault, Meaning, fault, meaning};
use crate::in_flight::InFlight;
use crate::pool::{Connection, UpstreamError};
use crate::prompt::PromptOutline;
use crate::pulse::{Pulse, Silence};
use crate::read::Pieces;
use crate::relay::{Event, Relay, Usage};
use crate::replica::Replica;
use crate::table::Model;

/// Most bytes of a stream that are held back while it has no content.
const HELD_MAX_BYTES: usize = 1 << 20;

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

/// Asks the replica that was chosen. Dropping the future cancels the work there.
pub(crate) async fn ask(
    model: &Arc<Model>,
    chosen: &Chosen,
    call: &Outgoing,
    config: &GatewayConfig,
    pulse: &Pulse,
) -> Result<Reply, Failure> {
    let replica = &chosen.seat(model).replica;
    let on = InFlight::begin(model, chosen, &call.prompt);
    let asked = async {
        // One time for both: the head of the answer, and its first content.
        let first_content = Duration::from_millis(config.first_content_ms);
        let begun = pulse.within(first_content, begin(replica, call, on)).await;
        match begun.map_err(|Silence| Failure::Slow)?? {
            Begun::Stream(head, held, relay) => Ok(Reply::Stream { head, held, relay }),
            Begun::Whole(connection, response, on) => finish(connection, response, on, config, pulse).await,
        }
    };
    tokio::select! {
        biased;
        reply = asked => reply,
        () = replica.given_up() => Err(Failure::Died { why: "the replica went down", is_proven: true }),
    }
}

/// An answer that has begun.
enum Begun {
    Whole(Connection, Response<Incoming>, InFlight),
    Stream(response::Parts, Bytes, Box<Relay>),
}

/// Sends the request, and reads the answer's head and, of a stream, all up to its first content.
async fn begin(replica: &Replica, call: &Outgoing, on: InFlight) -> Result<Begun, Failure> {
    let (connection, response) = send(replica, call).await?;
    match meaning(response.status()) {
        Meaning::Answer => {}
        Meaning::Busy => {
            let seconds = response.headers().get(header::RETRY_AFTER);
            let retry_after_seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(Failure::Busy { status: response.status(), retry_after_seconds });
        }
        Meaning::Fault => return Err(Failure::Faulty(Box::new(fault(response).await))),
        Meaning::Unwelcome => return Err(Failure::Unwelcome(response.status())),
    }
    if call.stream && is_event_stream(response.headers()) && response.status().is_success() {
        let (head, body) = response.into_parts();
        let relay = Box::new(Relay::new(body, connection, on, call.strip_usage));
        let (held, relay) = open(relay).await?;
        return Ok(Begun::Stream(head, held, relay));
    }
    Ok(Begun::Whole(connection, response, on))
}

/// Reads an answer that is no stream to its end.
async fn finish(
    connection: Connection,
    response: Response<Incoming>,
    mut on: InFlight,
    config: &GatewayConfig,
    pulse: &Pulse,
) -> Result<Reply, Failure> {
    let (head, body) = response.into_parts();
    // Some send the head at once and the answer when all of it is computed.
    let idle = Duration::from_millis(config.stream_idle_ms.max(config.first_content_ms));
    let body = collect(body, config.answer_bytes_max, idle, pulse).await?;
    on.replica.pool.give_back(connection);
    let usage = head.status.is_success().then(|| usage_of(&body)).flatten();
    // An answer that the request is at fault says nothing of how fast or how well the replica is.
    if head.status.is_success() {
        on.answered(usage);
    }
    Ok(Reply::Whole { head, body, usage })
}

/// Sends the request and waits for the head of the answer. An idle connection may have been closed by the replica just
/// now, which is not its fault: the request goes out again on a new one.
async fn send(replica: &Replica, call: &Outgoing) -> Result<(Connection, Response<Incoming>), Failure> {
    let mut connection = replica.pool.connection(false).await.map_err(Failure::from)?;
    match connection.send(request(replica, call)).await {
        Ok(response) => Ok((connection, response)),
        Err(UpstreamError::Lost) if connection.reused => {
            let mut connection = replica.pool.connection(true).await.map_err(|error| match error {
                // It had the request, and now nothing listens any more.
                UpstreamError::Refused => Failure::Died { why: "the replica went down", is_proven: true },
                error => Failure::from(error),
            })?;
            let response = connection.send(request(replica, call)).await.map_err(Failure::from)?;
            Ok((connection, response))
        }
        Err(error) => Err(Failure::from(error)),
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

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Reads a stream up to its first content, so that until then another replica can take over unseen.
async fn open(mut relay: Box<Relay>) -> Result<(Bytes, Box<Relay>), Failure> {
    let mut held = BytesMut::new();
    loop {
        match poll_fn(|cx| relay.poll_next(cx)).await {
            Event::Frames(frames) => held.extend_from_slice(&frames),
            Event::End => return Ok((held.freeze(), relay)),
            Event::Lost(why) => return Err(Failure::Died { why, is_proven: false }),
            Event::Nonsense(why) => return Err(Failure::Faulty(Box::new(Fault::of(why)))),
        }
        if relay.has_error() {
            return Err(Failure::Faulty(Box::new(Fault::in_stream(&held))));
        }
        if relay.has_content() {
            relay.began();
            return Ok((held.freeze(), relay));
        }
        if held.len() > HELD_MAX_BYTES {
            return Err(Failure::Faulty(Box::new(Fault::of("the replica sent much and no content"))));
        }
    }
}

async fn collect(mut body: Incoming, limit_bytes: usize, idle: Duration, pulse: &Pulse) -> Result<Bytes, Failure> {
    let lost = |_| Failure::Died { why: "the connection to the replica was lost", is_proven: false };
    let mut pieces = Pieces::default();
    while let Some(frame) = pulse.within(idle, body.frame()).await.map_err(|Silence| Failure::Slow)? {
        let Ok(data) = frame.map_err(lost)?.into_data() else { continue };
        if pieces.len() + data.len() > limit_bytes {
            return Err(Failure::Faulty(Box::new(Fault::of("the replica's answer was too large"))));
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
