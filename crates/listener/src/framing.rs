//! Follows where heads and bodies begin and end in the bytes of a connection, beside the parser that reads them.
//!
//! The parser forgives what must not be forgiven: lines of a head that end without a carriage return, and a body with
//! two lengths. Whoever stands in front may read such a request differently, and so a second one could be hidden in it.
//! It also tells how far a request has come, which deadlines need to know. It knows no meaning of headers beyond these.

use memchr::memchr;

/// Longest beginning of a line that is kept when the line comes in pieces: the names looked for are shorter.
const LINE_KEPT_BYTES: usize = 64;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// Both `content-length` and `transfer-encoding`.
    TwoLengths,
}

/// Where in a request the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before the first byte of a head.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
    /// After a fault: what follows cannot be told apart.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body {
        left: u64,
    },
    ChunkSize,
    /// The data of a chunk and the line end behind it.
    ChunkData {
        left: u64,
    },
    Trailers,
    Lost,
}

/// The position in the stream of requests.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// The beginning of a line that is not whole yet.
    line: Vec<u8>,
    /// Length of that line so far.
    line_bytes: u64,
    last: u8,
    has_first_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    heads: u64,
    fault: Option<(u64, Fault)>,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            line_bytes: 0,
            last: 0,
            has_first_line: false,
            length: None,
            is_chunked: false,
            heads: 0,
            fault: None,
        }
    }
}

impl Framing {
    /// Where the next byte stands.
    pub(crate) fn place(&self) -> Place {
        match self.state {
            State::Head if self.has_first_line || self.line_bytes > 0 => Place::Head,
            State::Head => Place::Between,
            State::Lost => Place::Lost,
            _ => Place::Body,
        }
    }

    /// Heads that have ended.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// The first fault, with the number of the head in which it is, counted from one.
    pub(crate) fn fault(&self) -> Option<(u64, Fault)> {
        self.fault
    }

    /// Goes on over the next bytes.
    pub(crate) fn feed(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            data = match self.state {
                State::Lost => return,
                State::Body { left } => self.skip(data, left, |left| State::Body { left }, State::Head),
                State::ChunkData { left } => self.skip(data, left, |left| State::ChunkData { left }, State::ChunkSize),
                State::Head | State::ChunkSize | State::Trailers => self.feed_line(data),
            };
        }
    }

    fn skip<'d>(&mut self, data: &'d [u8], left: u64, more: impl Fn(u64) -> State, then: State) -> &'d [u8] {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        let left = left - taken as u64;
        self.state = if left == 0 { then } else { more(left) };
        data.get(taken..).unwrap_or_default()
    }

    fn feed_line<'d>(&mut self, data: &'d [u8]) -> &'d [u8] {
        let Some(at) = memchr(b'\n', data) else {
            self.keep(data);
            return &[];
        };
        let (piece, rest) = (data.get(..at).unwrap_or_default(), data.get(at + 1..).unwrap_or_default());
        let before = piece.last().copied().unwrap_or(self.last);
        let has_return = before == b'\r' && self.line_bytes + piece.len() as u64 > 0;
        if self.line_bytes == 0 {
            self.line_ended(piece.strip_suffix(b"\r").unwrap_or(piece), has_return);
        } else {
            self.keep(piece);
            let line = std::mem::take(&mut self.line);
            // Of a long line only its beginning was kept, which is not its end.
            let is_whole = self.line_bytes == line.len() as u64;
            let text = if is_whole { line.strip_suffix(b"\r").unwrap_or(&line) } else { &line };
            self.line_ended(text, has_return);
        }
        self.line_bytes = 0;
        self.last = b'\n';
        rest
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_KEPT_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        self.line_bytes += piece.len() as u64;
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    fn line_ended(&mut self, line: &[u8], has_return: bool) {
        match self.state {
            State::ChunkSize => self.chunk_begins(line),
            State::Trailers if line.is_empty() => self.state = State::Head,
            State::Trailers => {}
            _ if !has_return => self.fail(Fault::BareLineFeed),
            // Empty lines before a request are passed over.
            _ if line.is_empty() && !self.has_first_line => {}
            _ if line.is_empty() => self.head_ended(),
            _ if self.has_first_line => self.header(line),
            _ => self.has_first_line = true,
        }
    }

    fn header(&mut self, line: &[u8]) {
        // Most names can be told apart by their first letter.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        let Some(colon) = memchr(b':', line) else { return };
        let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
        if name.eq_ignore_ascii_case(b"content-length") {
            // What is no number is refused by the parser, and so are two that differ.
            self.length = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok()).or(Some(0));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        }
    }

    fn head_ended(&mut self) {
        let (length, is_chunked) = (self.length.take(), std::mem::take(&mut self.is_chunked));
        self.has_first_line = false;
        if length.is_some() && is_chunked {
            return self.fail(Fault::TwoLengths);
        }
        self.heads += 1;
        self.state = match length {
            _ if is_chunked => State::ChunkSize,
            Some(left @ 1..) => State::Body { left },
            _ => State::Head,
        };
    }

    fn fail(&mut self, fault: Fault) {
        self.heads += 1;
        self.fault = Some((self.heads, fault));
        self.state = State::Lost;
    }

    fn chunk_begins(&mut self, line: &[u8]) {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let digits = line.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
        self.state = match u64::from_str_radix(digits, 16) {
            Ok(0) => State::Trailers,
            Ok(size) => State::ChunkData { left: size.saturating_add(2) },
            // The parser ends the connection over it.
            Err(_) => State::Lost,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fed(bytes: &[u8]) -> Framing {
        let mut framing = Framing::default();
        framing.feed(bytes);
        framing
    }

    #[test]
    fn the_place_is_known_after_each_part_of_a_request() {
        let length = "POST / HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (text, place, heads) in [
            ("", Place::Between, 0),
            ("\r\n\r\n", Place::Between, 0),
            ("G", Place::Head, 0),
            ("GET / HTTP/1.1\r\n", Place::Head, 0),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Place::Between, 1),
            (length, Place::Body, 1),
            (&format!("{length}1234"), Place::Body, 1),
            (&format!("{length}12345"), Place::Between, 1),
            (&format!("{length}12345{length}"), Place::Body, 2),
            (chunked, Place::Body, 1),
            (&format!("{chunked}3;x=y\r\nabc\r\n"), Place::Body, 1),
            (&format!("{chunked}3\r\nabc\r\n0\r\n"), Place::Body, 1),
            (&format!("{chunked}3\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n"), Place::Between, 1),
            (&format!("{chunked}zz\r\n"), Place::Lost, 1),
        ] {
            let framing = fed(text.as_bytes());
            assert_eq!((framing.place(), framing.heads()), (place, heads), "{text:?}");
            assert_eq!(framing.fault(), None, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_a_fault() {
        let good = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for (text, fault) in [
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", (1, Fault::BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", (1, Fault::BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: x\r\n\n", (1, Fault::BareLineFeed)),
            ("GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", (1, Fault::TwoLengths)),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", (1, Fault::TwoLengths)),
            (&format!("{good}{good}GET / HTTP/1.1\nHost: x\r\n\r\n"), (3, Fault::BareLineFeed)),
        ] {
            assert_eq!(fed(text.as_bytes()).fault(), Some(fault), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_read_like_the_whole(
            bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 1..5),
            cuts in prop::collection::vec(1_usize..30, 1..40),
            fault in any::<bool>(),
        ) {
            let mut text = Vec::new();
            for (body, chunked) in &bodies {
                let long = "v".repeat(100);
                text.extend(format!("POST /x HTTP/1.1\r\nx-long: {long}\r\n").bytes());
                if *chunked {
                    text.extend(b"transfer-encoding: chunked\r\n\r\n");
                    if !body.is_empty() {
                        text.extend(format!("{:x}\r\n", body.len()).bytes());
                        text.extend(body);
                        text.extend(b"\r\n");
                    }
                    text.extend(b"0\r\n\r\n");
                } else {
                    text.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                    text.extend(body);
                }
            }
            if fault {
                text.extend(b"GET / HTTP/1.1\n");
            }
            let whole = fed(&text);
            let mut framing = Framing::default();
            let mut rest = &text[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                framing.feed(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            let heads = bodies.len() as u64;
            prop_assert_eq!(whole.fault(), fault.then_some((heads + 1, Fault::BareLineFeed)));
            prop_assert_eq!(whole.heads(), heads + u64::from(fault));
            prop_assert_eq!(whole.place(), framing.place());
            prop_assert_eq!(whole.heads(), framing.heads());
            prop_assert_eq!(whole.fault(), framing.fault());
        }
    }
}
