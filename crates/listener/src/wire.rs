//! The bytes of a connection on their way to and from the parser: watched, never changed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::framing::{Framing, Place};
use crate::state::State;

/// Sent to a client that closed its sending side while its request runs. If it only half-closed, it passes over it; if it
/// left, its system answers with a reset, and the work can stop (RFC 9110, section 15.2).
const ARE_YOU_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How much of what a client goes on sending after its answer is thrown away, so that it gets to read the answer.
const LINGER_MAX_BYTES: u64 = 64 << 20;

/// A client's socket.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    framing: Framing,
    state: Arc<State>,
    allows_half_close: bool,
    is_closed: bool,
    has_asked: bool,
    is_shut: bool,
    lingered_bytes: u64,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, state: Arc<State>, allows_half_close: bool) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            state,
            allows_half_close,
            is_closed: false,
            has_asked: false,
            is_shut: false,
            lingered_bytes: 0,
        }
    }

    /// Sends a last answer past the parser, if it goes out at once.
    pub(crate) fn say(&self, answer: &[u8]) {
        // It is a courtesy: a client that takes nothing gets nothing.
        let _ = self.stream.try_write(answer);
    }

    /// The client's sending side is closed: either the parser hears of it, or the client is asked whether it is there.
    fn closed(&mut self) -> Poll<io::Result<()>> {
        self.is_closed = true;
        if self.state.closed() || !self.allows_half_close {
            return Poll::Ready(Ok(()));
        }
        if let Ok(Some(error)) = self.stream.take_error() {
            return Poll::Ready(Err(error));
        }
        if !self.has_asked && self.state.may_have_left() && self.state.takes_interim() {
            self.has_asked = true;
            self.stream.try_write(ARE_YOU_THERE)?;
        }
        // The connection's timer looks again.
        Poll::Pending
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if wire.is_closed {
            return wire.closed();
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            return wire.closed();
        }
        let (place, heads) = (wire.framing.place(), wire.framing.heads());
        wire.framing.feed(read);
        let reached = wire.framing.place();
        if reached != place || wire.framing.heads() != heads {
            wire.state.reached(reached, wire.framing.fault());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends the sending side. A client that still sends is heard for a while: the system would answer its bytes with a
    /// reset, upon which it might lose the answer before it has read it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if !wire.is_shut {
            ready!(Pin::new(&mut wire.stream).poll_shutdown(cx))?;
            wire.is_shut = true;
        }
        if wire.is_closed || !matches!(wire.framing.place(), Place::Body | Place::Lost) {
            return Poll::Ready(Ok(()));
        }
        wire.state.lingers();
        let mut thrown_away = [0; 8 << 10];
        loop {
            let mut buf = ReadBuf::new(&mut thrown_away);
            ready!(Pin::new(&mut wire.stream).poll_read(cx, &mut buf))?;
            let read = buf.filled();
            wire.lingered_bytes += read.len() as u64;
            wire.framing.feed(read);
            if read.is_empty() || wire.lingered_bytes > LINGER_MAX_BYTES || wire.framing.place() == Place::Between {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Wire {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            self.state.blocked();
        } else {
            self.state.unblocked();
        }
        written
    }
}
