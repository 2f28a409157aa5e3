//! Server-sent events: a stream of JSON chunks that ends with `[DONE]`.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::engine::request::Event;

/// How many events are written at once when several are ready.
const EVENTS_AT_ONCE: usize = 64;

/// Writes an answer's events as chunks of one dialect.
pub trait Chunks: Send + 'static {
    /// What comes before the first delta.
    fn open(&mut self, out: &mut Frames);
    /// What `event` becomes. True ends the stream.
    fn event(&mut self, event: Event, out: &mut Frames) -> bool;
}

/// Frames that are ready to be sent.
#[derive(Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Adds `data: <json>`.
    pub fn json(&mut self, value: &impl Serialize) {
        self.0.extend_from_slice(b"data: ");
        // These types hold nothing that cannot be written as JSON.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            tracing::error!("chunk is not written");
        }
        self.0.extend_from_slice(b"\n\n");
    }

    /// Adds the mark of the end.
    pub fn done(&mut self) {
        self.0.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.0))
    }
}

/// A response that streams `first` and then `events`. Dropping it drops the receiver, which stops the engine's work.
pub fn response(first: Event, events: mpsc::Receiver<Event>, mut chunks: impl Chunks) -> Response {
    let mut frames = Frames::default();
    chunks.open(&mut frames);
    let ended = chunks.event(first, &mut frames);
    let start = (frames, chunks, events, ended);
    let body = stream::unfold(start, |(mut frames, mut chunks, mut events, mut ended)| async move {
        let ready = frames.take();
        if !ready.is_empty() {
            return Some((Ok::<Bytes, Infallible>(ready), (frames, chunks, events, ended)));
        }
        let mut batch = Vec::new();
        while frames.0.is_empty() && !ended {
            if events.recv_many(&mut batch, EVENTS_AT_ONCE).await == 0 {
                return None;
            }
            for event in batch.drain(..) {
                ended = ended || chunks.event(event, &mut frames);
            }
        }
        let ready = frames.take();
        (!ready.is_empty()).then_some((Ok(ready), (frames, chunks, events, ended)))
    });
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
