//! Turns a replica's answer into the client's response.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::attempt::Reply;
use crate::body::Body;
use crate::failover::Answered;
use crate::headers::returned_headers;
use crate::meter::Outcome;
use crate::relay::Used;
use crate::settle::Ticket;
use crate::shared::Shared;
use crate::stream::{ClientStream, Pending};

/// The response to an answer whose content is there.
pub(crate) fn respond(
    answered: Answered,
    ticket: &mut Option<Ticket>,
    shared: &Arc<Shared>,
    extra: HeaderMap,
) -> Response<Body> {
    let Answered { reply, exposure, cloud } = answered;
    let replica = Arc::clone(&exposure.replica);
    if let Some(ticket) = ticket {
        ticket.answered_on(cloud);
    }
    let (head, body) = match reply {
        Reply::Whole { head, body, usage } => {
            if let Some(mut ticket) = ticket.take() {
                ticket.used(Used { usage: usage.unwrap_or_default(), is_estimate: false });
                ticket.ended(outcome_of(head.status));
            }
            (head, Body::from(body))
        }
        Reply::Stream { head, held, relay } => {
            let stream = ticket.take().map(|ticket| ClientStream::relaying(held, relay, exposure, ticket, shared));
            (head, stream.map_or(Body::Whole(None), Body::stream))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = returned_headers(head.headers);
    response.headers_mut().insert("x-mcp-replica", replica.id_header.clone());
    response.headers_mut().extend(extra);
    if matches!(response.body(), Body::Stream(_)) {
        mark_as_stream(response.headers_mut());
    }
    response
}

/// The response to a stream whose first content has not come within the time that its head is held back.
pub(crate) fn respond_early(
    answer: Pending,
    ticket: &mut Option<Ticket>,
    shared: &Arc<Shared>,
    extra: HeaderMap,
) -> Response<Body> {
    let stream = ticket.take().map(|ticket| ClientStream::waiting(answer, ticket, shared));
    let mut response = Response::new(stream.map_or(Body::Whole(None), Body::stream));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = extra;
    mark_as_stream(response.headers_mut());
    response
}

/// How a request ended that a replica answered with this status.
pub(crate) fn outcome_of(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Ok,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Rejected,
    }
}

/// Nothing on the way may collect, compress or keep a stream.
fn mark_as_stream(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}
