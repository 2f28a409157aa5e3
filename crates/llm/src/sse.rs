//! Server-sent events, cut out of a byte stream without being parsed further.
//!
//! A frame is everything up to and including the empty line that ends an event, byte for byte as it came, so that what
//! is forwarded is what was received. Lines end with LF, CRLF or CR, as the HTML standard has it (section 9.2).

use bytes::{Bytes, BytesMut};

/// Largest frame that is accepted unless the caller says otherwise: 1 MiB.
pub const FRAME_LIMIT_BYTES: usize = 1 << 20;

/// A frame grew over the limit; the stream cannot be followed further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is longer than {limit_bytes} bytes")]
pub struct FrameTooLong {
    /// The limit.
    pub limit_bytes: usize,
}

/// Cuts frames out of chunks that come in any sizes. Give it a chunk with [`push`](Self::push), then call
/// [`next_frame`](Self::next_frame) until it has no more.
#[derive(Debug)]
pub struct Scanner {
    /// Bytes not looked at yet.
    fresh: Bytes,
    /// The beginning of a frame whose end has not come yet.
    partial: BytesMut,
    at: Position,
    limit_bytes: usize,
}

/// Where in a line the scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// At the beginning of the frame's first line.
    FrameStart,
    /// Within a line.
    Line,
    /// Behind a line's CR, whose LF may follow.
    LineCr,
    /// At the beginning of a later line.
    LineStart,
    /// Behind the CR of an empty line, whose LF may follow.
    EmptyCr,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::with_limit(FRAME_LIMIT_BYTES)
    }
}

impl Scanner {
    /// A scanner that refuses frames longer than `limit_bytes`.
    #[must_use]
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self { fresh: Bytes::new(), partial: BytesMut::new(), at: Position::FrameStart, limit_bytes }
    }

    /// Adds bytes. Frames already complete are to be taken first.
    pub fn push(&mut self, chunk: Bytes) {
        if self.fresh.is_empty() {
            self.fresh = chunk;
        } else {
            let mut joined = BytesMut::with_capacity(self.fresh.len() + chunk.len());
            joined.extend_from_slice(&self.fresh);
            joined.extend_from_slice(&chunk);
            self.fresh = joined.freeze();
        }
    }

    /// The next complete frame, if there is one. A frame that lies within one chunk is not copied.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameTooLong> {
        let Some(end) = self.find_end() else {
            if self.partial.len() + self.fresh.len() > self.limit_bytes {
                return Err(FrameTooLong { limit_bytes: self.limit_bytes });
            }
            self.partial.extend_from_slice(&self.fresh);
            self.fresh = Bytes::new();
            return Ok(None);
        };
        let tail = self.fresh.split_to(end);
        if self.partial.len() + tail.len() > self.limit_bytes {
            return Err(FrameTooLong { limit_bytes: self.limit_bytes });
        }
        if self.partial.is_empty() {
            return Ok(Some(tail));
        }
        self.partial.extend_from_slice(&tail);
        Ok(Some(self.partial.split().freeze()))
    }

    /// True when no beginning of a frame is held back.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.partial.is_empty() && self.fresh.is_empty()
    }

    /// What is left when the stream has ended without an empty line.
    pub fn take_rest(&mut self) -> Bytes {
        self.at = Position::FrameStart;
        self.partial.extend_from_slice(&std::mem::take(&mut self.fresh));
        self.partial.split().freeze()
    }

    /// Position behind the end of the frame within the fresh bytes.
    fn find_end(&mut self) -> Option<usize> {
        for (index, byte) in self.fresh.iter().enumerate() {
            self.at = match (self.at, byte) {
                // The CR was the whole line end: the frame ended before this byte.
                (Position::EmptyCr, byte) if *byte != b'\n' => {
                    self.at = Position::FrameStart;
                    return Some(index);
                }
                (Position::EmptyCr, _) | (Position::LineStart | Position::FrameStart, b'\n') => {
                    self.at = Position::FrameStart;
                    return Some(index + 1);
                }
                (Position::LineStart | Position::FrameStart | Position::LineCr, b'\r') => Position::EmptyCr,
                (Position::Line | Position::LineCr, b'\n') => Position::LineStart,
                (Position::Line, b'\r') => Position::LineCr,
                (_, _) => Position::Line,
            };
        }
        None
    }
}

/// The payload of a frame's first `data:` line, without its one leading space; nothing when it has none (a comment, a
/// bare event name). The dialects spoken here put each event's payload into one line.
#[must_use]
pub fn data(frame: &[u8]) -> Option<&[u8]> {
    frame.split(|byte| matches!(byte, b'\n' | b'\r')).find_map(|line| {
        let payload = line.strip_prefix(b"data:")?;
        Some(payload.strip_prefix(b" ").unwrap_or(payload))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames_of(chunks: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let mut scanner = Scanner::default();
        let mut frames = Vec::new();
        for chunk in chunks {
            scanner.push(Bytes::copy_from_slice(chunk));
            while let Some(frame) = scanner.next_frame().expect("within the limit") {
                frames.push(frame);
            }
        }
        (frames, scanner.take_rest())
    }

    #[test]
    fn all_three_line_ends() {
        for stream in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\rx"] {
            let (frames, _) = frames_of(&[stream.as_bytes()]);
            let payloads: Vec<_> = frames.iter().filter_map(|frame| data(frame)).collect();
            assert_eq!(payloads, [b"a", b"b"], "{stream:?}");
        }
    }

    #[test]
    fn comments_have_no_data_and_one_space_is_dropped() {
        assert_eq!(data(b": ping\n\n"), None);
        assert_eq!(data(b"event: x\ndata:  y\n\n"), Some(&b" y"[..]));
        assert_eq!(data(b"data:[DONE]\n\n"), Some(&b"[DONE]"[..]));
    }

    #[test]
    fn a_frame_has_a_limit() {
        let mut scanner = Scanner::with_limit(10);
        scanner.push(Bytes::from_static(b"data: 12"));
        assert_eq!(scanner.next_frame(), Ok(None));
        scanner.push(Bytes::from_static(b"345678"));
        assert_eq!(scanner.next_frame(), Err(FrameTooLong { limit_bytes: 10 }));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            text in "(data: [a-z]{0,6}|: ping|\n|\r|\r\n|\n\n|\r\n\r\n|\r\r){0,30}",
            cuts in proptest::collection::vec(0_usize..200, 0..12),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let whole = frames_of(&[bytes]);
            let split = frames_of(&pieces);
            prop_assert_eq!(&whole, &split);
            let mut rejoined: Vec<u8> = whole.0.concat();
            rejoined.extend_from_slice(&whole.1);
            prop_assert_eq!(rejoined, bytes);
        }
    }
}
