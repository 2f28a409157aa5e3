//! Decodes a body whose `content-encoding` says how it was encoded, piece by piece, so that whoever reads it can stop at
//! the size he allows. Memory stays within a window that the decoders bound, whatever the body claims.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};
use tokio_util::io::{StreamReader, poll_read_buf};

use crate::body::BodyError;
use crate::refused::Refused;

/// More encodings on one body are a mistake or an attack.
const CODINGS_MAX: usize = 2;
/// Largest window of a zstd body, as a power of two: what RFC 9659 has every decoder take, and no more.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Decoded bytes handed on at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces decoded in a row before others get a turn: what is there already can be decoded without ever waiting.
const PIECES_IN_A_ROW: u32 = 4;

/// An encoding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The encodings of a body, in the order in which they were applied.
pub(crate) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Refused> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().map_err(|_| Refused::Encoding)?.split(',') {
            match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "deflate" => codings.push(Coding::Deflate),
                "br" => codings.push(Coding::Brotli),
                "zstd" => codings.push(Coding::Zstd),
                _ => return Err(Refused::Encoding),
            }
        }
    }
    if codings.len() > CODINGS_MAX { Err(Refused::Encoding) } else { Ok(codings) }
}

type Reader = Pin<Box<dyn AsyncRead + Send>>;
type BufferedReader = Pin<Box<dyn AsyncBufRead + Send>>;

/// A body being decoded.
pub(crate) struct Decoded {
    state: Reading,
    piece: BytesMut,
    pieces_in_a_row: u32,
}

enum Reading {
    /// The first bytes say which of the two formats called `deflate` it is.
    Begins {
        source: BufferedReader,
        codings: Vec<Coding>,
    },
    Goes(Reader),
    Ended,
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl Decoded {
    /// Decodes `incoming`, of which no more than `bytes_max` encoded bytes are read.
    pub(crate) fn new(incoming: Incoming, codings: &[Coding], bytes_max: u64) -> Self {
        let source = Box::pin(StreamReader::new(Pieces { incoming, left: bytes_max }));
        Self {
            state: Reading::Begins { source, codings: codings.to_vec() },
            piece: BytesMut::new(),
            pieces_in_a_row: 0,
        }
    }

    /// The next decoded bytes.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.pieces_in_a_row >= PIECES_IN_A_ROW {
            self.pieces_in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match &mut self.state {
                Reading::Ended => return Poll::Ready(None),
                Reading::Begins { source, .. } => {
                    let is_zlib = match ready!(source.as_mut().poll_fill_buf(cx)) {
                        Ok(first) => is_zlib(first),
                        Err(error) => return self.end(Some(fault(&error))),
                    };
                    if let Reading::Begins { source, codings } = std::mem::replace(&mut self.state, Reading::Ended) {
                        self.state =
                            codings.iter().rev().fold(Reading::Goes(source), |reading, coding| match reading {
                                Reading::Goes(reader) => Reading::Goes(undo(*coding, is_zlib, reader)),
                                other => other,
                            });
                    }
                }
                Reading::Goes(reader) => {
                    self.piece.reserve(PIECE_BYTES);
                    return match ready!(poll_read_buf(reader.as_mut(), cx, &mut self.piece)) {
                        Ok(0) => self.end(None),
                        Ok(_) => {
                            self.pieces_in_a_row += 1;
                            Poll::Ready(Some(Ok(self.piece.split().freeze())))
                        }
                        Err(error) => self.end(Some(fault(&error))),
                    };
                }
            }
        }
    }

    fn end(&mut self, error: Option<BodyError>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.state = Reading::Ended;
        Poll::Ready(error.map(Err))
    }
}

/// `deflate` means the zlib format (RFC 9110, section 8.4.1.2), and some clients send the bare one.
fn is_zlib(first: &[u8]) -> bool {
    match first {
        [method, flags, ..] => method & 15 == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => true,
    }
}

fn undo(coding: Coding, is_zlib: bool, encoded: Reader) -> Reader {
    let encoded = BufReader::new(encoded);
    match coding {
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(encoded);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Coding::Deflate if is_zlib => Box::pin(ZlibDecoder::new(encoded)),
        Coding::Deflate => Box::pin(DeflateDecoder::new(encoded)),
        Coding::Brotli => Box::pin(BrotliDecoder::new(encoded)),
        Coding::Zstd => {
            let mut decoder = ZstdDecoder::with_params(encoded, &[DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

fn fault(error: &io::Error) -> BodyError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<BodyError>()) {
        Some(BodyError::Broken) => BodyError::Broken,
        Some(BodyError::TooLarge) => BodyError::TooLarge,
        _ => BodyError::Undecodable,
    }
}

/// The encoded pieces of a body, up to a limit: encoded bytes that decode to nothing must end, too.
struct Pieces {
    incoming: Incoming,
    left: u64,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(io::Error::other(BodyError::Broken)))),
                Some(Ok(frame)) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            return Poll::Ready(Some(match self.left.checked_sub(data.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(data)
                }
                None => Err(io::Error::other(BodyError::TooLarge)),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn known_encodings_are_undone_and_others_refused() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            codings(&headers)
        };
        assert_eq!(of(&[]), Ok(vec![]));
        assert_eq!(of(&["identity"]), Ok(vec![]));
        assert_eq!(of(&["GZIP, br"]), Ok(vec![Coding::Gzip, Coding::Brotli]));
        assert_eq!(of(&["x-gzip", "zstd"]), Ok(vec![Coding::Gzip, Coding::Zstd]));
        for bad in [&["compress"][..], &["gzip, nonesuch"], &["gzip, gzip, gzip"], &["gzip", "br", "zstd"]] {
            assert_eq!(of(bad), Err(Refused::Encoding), "{bad:?}");
        }
    }
}
