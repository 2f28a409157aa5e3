//! The body of a request: as it came, or decoded on the way.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::decode::{Coding, Decoded};

/// A request's body.
#[derive(Debug)]
pub struct Body(Inner);

#[derive(Debug)]
enum Inner {
    Plain(Incoming),
    Coded(Box<Decoded>),
}

/// Why a body ends early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client did not send it to its end.
    #[error("the request's body broke off")]
    Broken,
    /// It cannot be decoded.
    #[error("the request's body is not what its content-encoding says")]
    Undecodable,
    /// What came, before it was decoded, is larger than allowed.
    #[error("the request's body is larger than allowed")]
    TooLarge,
}

impl Body {
    pub(crate) fn plain(incoming: Incoming) -> Self {
        Self(Inner::Plain(incoming))
    }

    pub(crate) fn coded(incoming: Incoming, codings: &[Coding], bytes_max: u64) -> Self {
        Self(Inner::Coded(Box::new(Decoded::new(incoming, codings, bytes_max))))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Plain(incoming) => {
                let polled = Pin::new(incoming).poll_frame(cx);
                polled.map(|frame| frame.map(|frame| frame.map_err(|_| BodyError::Broken)))
            }
            Inner::Coded(decoded) => decoded.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Plain(incoming) => incoming.is_end_stream(),
            Inner::Coded(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Plain(incoming) => incoming.size_hint(),
            Inner::Coded(_) => SizeHint::default(),
        }
    }
}
