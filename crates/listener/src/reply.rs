//! The body of an answer, which tells its connection when it was taken to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use crate::state::State;

/// An answer's body: the service's, or the listener's own.
#[derive(Debug)]
pub(crate) struct Reply<B> {
    inner: Inner<B>,
    _taken: Taken,
}

#[derive(Debug)]
enum Inner<B> {
    Served(B),
    Refused(Full<Bytes>),
}

/// Dropped with the body.
#[derive(Debug)]
pub(crate) struct Taken(pub(crate) Arc<State>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<B> Reply<B> {
    pub(crate) fn served(body: B, taken: Taken) -> Self {
        Self { inner: Inner::Served(body), _taken: taken }
    }

    pub(crate) fn refused(body: Full<Bytes>, taken: Taken) -> Self {
        Self { inner: Inner::Refused(body), _taken: taken }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Reply<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.inner {
            Inner::Served(body) => Pin::new(body).poll_frame(cx),
            Inner::Refused(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Served(body) => body.is_end_stream(),
            Inner::Refused(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Served(body) => body.size_hint(),
            Inner::Refused(body) => body.size_hint(),
        }
    }
}
