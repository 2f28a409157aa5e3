//! What the gateway sends back: an answer held whole, or a stream that goes on by itself.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use listener::Client;

use crate::stream::{ClientStream, KEEP_ALIVE};

/// A response body.
pub(crate) enum Body {
    /// All of it; taken when sent.
    Whole(Option<Bytes>),
    /// A stream of server-sent events.
    Stream(Box<Streamed>),
}

/// A stream, and whom it goes to.
pub(crate) struct Streamed {
    stream: ClientStream,
    client: Option<Client>,
}

impl Body {
    /// A stream's body.
    pub(crate) fn stream(stream: ClientStream) -> Self {
        Self::Stream(Box::new(Streamed { stream, client: None }))
    }

    /// Whom it goes to, so that a stream that is silent notices when he has left.
    pub(crate) fn goes_to(&mut self, client: Client) {
        if let Self::Stream(streamed) = self {
            streamed.client = Some(client);
        }
    }
}

impl Streamed {
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = self.stream.poll_bytes(cx);
        // Silence may last while a prompt is read. A comment does no harm to a client that waits for more; the system of
        // one that left answers it with a reset.
        if polled.is_pending() && self.client.as_ref().is_some_and(Client::may_have_left) {
            self.client = None;
            return Poll::Ready(Some(KEEP_ALIVE));
        }
        polled
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    /// A stream that breaks says so in an event of its own, and then ends in order.
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(streamed) => streamed.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
