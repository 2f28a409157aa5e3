//! One connection, from the first byte to the last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::Settings;
use crate::body::Body;
use crate::check::check;
use crate::decode::codings;
use crate::refused::Refused;
use crate::reply::{Reply, Taken};
use crate::service::{Client, Serve};
use crate::state::{Due, Ending, Order, State};
use crate::wire::Wire;

/// What a client is told whose request does not come to its end in time.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
content-length: 148\r\n\r\n{\"error\":{\"message\":\"the request did not arrive whole in time: send it again\",\
\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"request_timeout\"}}";

/// What all connections of a listener share.
pub(crate) struct Shared<S> {
    pub(crate) service: S,
    pub(crate) settings: Settings,
}

/// Serves a connection to its end. Why it was ended, if it did not end by itself.
pub(crate) async fn serve<S: Serve>(
    shared: Arc<Shared<S>>,
    stream: TcpStream,
    address: SocketAddr,
    state: Arc<State>,
) -> Option<Ending> {
    // Small writes must leave at once; without it a reused connection stalls for the peer's delayed acknowledgement.
    stream.set_nodelay(true).ok()?;
    let settings = &shared.settings;
    let wire = Wire::new(stream, Arc::clone(&state), settings.half_close);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_header_size(settings.head_bytes_max);
    let client = Client { address, state: Arc::clone(&state) };
    let service = service_fn(|request| {
        let (shared, client) = (Arc::clone(&shared), client.clone());
        async move { Ok::<_, Infallible>(answer(&shared, request, client).await) }
    });
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(wire), service));
    let mut timer = std::pin::pin!(tokio::time::sleep_until(first_look(&state)));
    let mut is_draining = false;
    let ended = poll_fn(|cx| {
        loop {
            state.waker.register(cx.waker());
            match state.order() {
                Order::Serve => {}
                Order::Drain if is_draining => {}
                Order::Drain => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                Order::MakeRoom if state.is_free() => return Poll::Ready(Some(Ending::Crowded)),
                Order::MakeRoom => state.stays(),
                Order::Cut => return Poll::Ready(Some(Ending::Drained)),
            }
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(None);
            }
            if state.take_closing() {
                continue;
            }
            match look(&state, timer.as_mut(), cx) {
                Look::Rest => return Poll::Pending,
                Look::Again => {}
                Look::End(ending) => return Poll::Ready(Some(ending)),
            }
        }
    })
    .await;
    if ended.is_some_and(|ending| is_answered_late(ending, &state)) {
        Pin::into_inner(connection).into_parts().io.into_inner().say(TOO_SLOW);
    }
    ended
}

enum Look {
    Rest,
    Again,
    End(Ending),
}

fn look(state: &State, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Look {
    let is_rearmed = state.take_rearm();
    let has_fired = timer.as_mut().poll(cx).is_ready();
    if !has_fired && !is_rearmed {
        return Look::Rest;
    }
    match state.due(Instant::now()) {
        Due::End(ending) => Look::End(ending),
        // It fires before that, and is set anew then: setting it costs more than looking once more.
        Due::Nothing(at) if !has_fired && at >= timer.deadline() => Look::Rest,
        Due::Nothing(at) => {
            timer.reset(at);
            Look::Again
        }
    }
}

fn first_look(state: &State) -> Instant {
    let now = Instant::now();
    match state.due(now) {
        Due::Nothing(at) => at,
        Due::End(_) => now,
    }
}

/// Whether the client is waiting for an answer to a request that it did not finish.
fn is_answered_late(ending: Ending, state: &State) -> bool {
    match ending {
        Ending::SlowHead => true,
        Ending::SlowBody => state.takes_interim(),
        _ => false,
    }
}

async fn answer<S: Serve>(shared: &Shared<S>, request: Request<Incoming>, client: Client) -> Response<Reply<S::Reply>> {
    let state = Arc::clone(&client.state);
    let fault = state.requested(request.version() == Version::HTTP_10);
    let taken = Taken(Arc::clone(&state));
    let settings = &shared.settings;
    let prepared = check(&request, fault, &settings.hosts).and_then(|()| prepare(request, settings.body_bytes_max));
    let response = match prepared {
        Ok(request) => shared.service.answer(request, client).await.map(|body| Reply::served(body, taken)),
        Err(refused) => refused.finish((settings.refuse)(refused)).map(|body| Reply::refused(body, taken)),
    };
    state.answers();
    response
}

/// The request with a body that is decoded on the way, if it is encoded.
fn prepare(request: Request<Incoming>, bytes_max: u64) -> Result<Request<Body>, Refused> {
    if !request.headers().contains_key(header::CONTENT_ENCODING) {
        return Ok(request.map(Body::plain));
    }
    let codings = codings(request.headers())?;
    let mut request = request;
    // What a service sees is plain, and neither as long nor encoded as the client sent it.
    request.headers_mut().remove(header::CONTENT_ENCODING);
    if codings.is_empty() {
        return Ok(request.map(Body::plain));
    }
    request.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(request.map(|incoming| Body::coded(incoming, &codings, bytes_max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_late_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_SLOW).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
