//! Turns a replica's answer into the client's response.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::attempt::Reply;
use crate::body::Body;
use crate::config::GatewayConfig;
use crate::failover::Answered;
use crate::headers::returned_headers;
use crate::meter::Outcome;
use crate::settle::Ticket;
use crate::stream::{ClientStream, Pending};

/// The response to an answer whose content is there.
pub(crate) fn respond(
    answered: Answered,
    ticket: &mut Option<Ticket>,
    config: &GatewayConfig,
    extra: HeaderMap,
) -> Response<Body> {
    let Answered { reply, replica, cloud } = answered;
    if let Some(ticket) = ticket {
        ticket.answered_on(cloud);
    }
    let (head, body) = match reply {
        Reply::Whole { head, body, usage } => {
            if let Some(mut ticket) = ticket.take() {
                ticket.used(usage.unwrap_or_default());
                ticket.ended(if head.status.is_success() { Outcome::Ok } else { Outcome::Rejected });
            }
            (head, Body::from(body))
        }
        Reply::Stream { head, held, relay } => {
            let stream = ticket.take().map(|ticket| ClientStream::relaying(held, relay, ticket, config));
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
    config: &GatewayConfig,
    extra: HeaderMap,
) -> Response<Body> {
    let stream = ticket.take().map(|ticket| ClientStream::waiting(answer, ticket, config));
    let mut response = Response::new(stream.map_or(Body::Whole(None), Body::stream));
    *response.status_mut() = StatusCode::OK;
    *response.headers_mut() = extra;
    mark_as_stream(response.headers_mut());
    response
}

/// Nothing on the way may collect, compress or keep a stream.
fn mark_as_stream(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}
