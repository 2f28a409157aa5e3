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
    // A stream may begin with a byte order mark, which is no part of its first line.
    let frame = frame.strip_prefix(b"\xef\xbb\xbf").unwrap_or(frame);
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
    fn a_byte_order_mark_is_no_part_of_a_line_and_nul_is_text() {
        assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n"), Some(&b"a"[..]));
        assert_eq!(data(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n"), None);
        assert_eq!(data(b"data: a\0b\n\n"), Some(&b"a\0b"[..]));
        assert_eq!(data(b"data\n\n"), None);
    }

    #[test]
    fn the_limit_is_the_last_length_that_passes_however_it_comes() {
        let frame = |length: usize| [vec![b'x'; length - 2], b"\n\n".to_vec()].concat();
        for split in [0, 1, 5, 9, 10] {
            for (length, passes) in [(9, true), (10, true), (11, false)] {
                let mut scanner = Scanner::with_limit(10);
                let bytes = frame(length);
                let (first, second) = bytes.split_at(split.min(length));
                scanner.push(Bytes::copy_from_slice(first));
                let early = scanner.next_frame();
                scanner.push(Bytes::copy_from_slice(second));
                let found = early.and_then(|early| early.map_or_else(|| scanner.next_frame(), |early| Ok(Some(early))));
                match found {
                    Ok(found) => assert!(passes && found.as_deref() == Some(&bytes[..]), "{length} {split}"),
                    Err(error) => assert!(!passes && error.limit_bytes == 10, "{length} {split}"),
                }
            }
        }
        // What has no end yet may have the limit's length, and not a byte more.
        for (length, passes) in [(10, true), (11, false)] {
            let mut scanner = Scanner::with_limit(10);
            scanner.push(vec![b'x'; length].into());
            assert_eq!(scanner.next_frame().is_ok(), passes);
        }
    }

    #[test]
    fn frames_that_are_not_taken_yet_are_kept_in_order() {
        let mut scanner = Scanner::default();
        assert!(scanner.is_between_frames());
        scanner.push(Bytes::from_static(b"a\n\nb"));
        assert!(!scanner.is_between_frames());
        scanner.push(Bytes::from_static(b"\n\nc"));
        let taken = [scanner.next_frame(), scanner.next_frame(), scanner.next_frame()];
        assert_eq!(taken.map(|frame| frame.expect("short").unwrap_or_default()), ["a\n\n", "b\n\n", ""]);
        assert!(!scanner.is_between_frames());
        assert_eq!(scanner.take_rest(), "c");
        assert!(scanner.is_between_frames());
        // What comes after the rest begins a line again.
        scanner.push(Bytes::from_static(b"\n"));
        assert_eq!(scanner.next_frame(), Ok(Some(Bytes::from_static(b"\n"))));
    }

    #[test]
    fn a_line_end_may_be_split_by_a_read() {
        for (chunks, frames) in [
            (&[&b"a\r"[..], b"\n\r", b"\nb\n\n"][..], &["a\r\n\r\n", "b\n\n"][..]),
            (&[b"a\r\n\r", b"b\n\n"], &["a\r\n\r", "b\n\n"]),
            (&[b"a\r", b"\r", b"b\r\r", b"c"], &["a\r\r", "b\r\r"]),
            (&[b"\r", b"\n", b"\n"], &["\r\n", "\n"]),
        ] {
            let (found, _) = frames_of(chunks);
            assert_eq!(found, frames, "{chunks:?}");
        }
    }

    #[test]
    fn a_million_empty_events_are_a_million_frames() {
        let (frames, rest) = frames_of(&[&vec![b'\n'; 1 << 20]]);
        assert_eq!((frames.len(), rest.len()), (1 << 20, 0));
    }

    /// Frames by the standard's words: lines end with CR LF, LF or CR; an empty line ends a frame. A CR at the very end
    /// may be half a line end.
    fn frames_by_lines(text: &[u8]) -> Vec<Vec<u8>> {
        let (mut frames, mut frame, mut rest) = (Vec::new(), Vec::new(), text);
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let is_pair = rest[at..].starts_with(b"\r\n");
            let end = at + if is_pair { 2 } else { 1 };
            if rest[at] == b'\r' && end == rest.len() && !is_pair {
                break;
            }
            frame.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            if at == 0 {
                frames.push(std::mem::take(&mut frame));
            }
        }
        frames
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
        fn frames_are_those_of_the_standard(text in "(data: [a-z]{0,4}|: |\0|\u{feff}|é|\n|\r|\r\n){0,30}") {
            prop_assert_eq!(frames_of(&[text.as_bytes()]).0, frames_by_lines(text.as_bytes()));
        }

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
