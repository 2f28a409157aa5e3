//! A replica's event stream, looked through as it passes: where its content begins, what it used, whether it ended.
//!
//! Frames go on byte for byte as they came. Only the usage that the gateway asked for in the client's place is taken out:
//! frames of nothing else whole, and the field `usage`, which is null until the end, out of all others.

use std::ops::Range;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use llm::sse::{self, Scanner};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::in_flight::InFlight;
use crate::pool::Connection;
use crate::request::present;

/// Tokens of one request, as its replica counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) prompt_tokens: u64,
    #[serde(default)]
    pub(crate) completion_tokens: u64,
    #[serde(default)]
    pub(crate) prompt_tokens_details: Option<PromptTokensDetails>,
}

/// What of a prompt its replica needed not compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct PromptTokensDetails {
    #[serde(default)]
    pub(crate) cached_tokens: Option<u64>,
}

impl Usage {
    /// Prompt tokens that the replica found computed, when it says so.
    pub(crate) fn cached_tokens(&self) -> Option<u64> {
        self.prompt_tokens_details?.cached_tokens
    }
}

/// What a stream used, and whether that is only an estimate: its replica has not said it, so frames were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Used {
    pub(crate) usage: Usage,
    pub(crate) is_estimate: bool,
}

/// A stream being read. Dropping it closes its connection, which cancels the work.
#[derive(Debug)]
pub(crate) struct Relay {
    body: Incoming,
    connection: Option<Connection>,
    on: InFlight,
    sieve: Sieve,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Whole frames.
    Frames(Bytes),
    /// The stream ended as it should.
    End,
    /// It broke off: the connection was lost, or closed too early.
    Lost(&'static str),
    /// What came cannot be passed on.
    Nonsense(&'static str),
}

impl Relay {
    pub(crate) fn new(body: Incoming, connection: Connection, on: InFlight, strip_usage: bool) -> Self {
        Self { body, connection: Some(connection), on, sieve: Sieve::new(strip_usage) }
    }

    /// The first content has come: a failure can no longer be hidden.
    pub(crate) fn has_content(&self) -> bool {
        self.sieve.has_content
    }

    /// The replica itself reported an error within the stream.
    pub(crate) fn has_error(&self) -> bool {
        self.sieve.has_error
    }

    /// What was used so far. A stream that was lost before its usage came counts a token for each frame of content.
    pub(crate) fn used(&self) -> Used {
        match (self.sieve.usage, self.sieve.content_frames) {
            (Some(usage), _) => Used { usage, is_estimate: false },
            (None, 0) => Used::default(),
            (None, completion_tokens) => {
                let prompt_tokens = self.on.prompt_tokens;
                Used { usage: Usage { prompt_tokens, completion_tokens, ..Usage::default() }, is_estimate: true }
            }
        }
    }

    /// Its first content came just now.
    pub(crate) fn began(&mut self) {
        self.on.first_token();
    }

    /// The next whole frames, the end, or the break.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            let frame = match ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) if self.sieve.is_done => return Poll::Ready(Event::End),
                Some(Err(_)) => return Poll::Ready(Event::Lost("the connection to the replica was lost")),
                None => return Poll::Ready(self.rest().unwrap_or_else(|| self.ended())),
            };
            let Ok(chunk) = frame.into_data() else { continue };
            match self.sieve.sift(chunk) {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => return Poll::Ready(Event::Frames(frames)),
                Err(_) => return Poll::Ready(Event::Nonsense("the replica sent an event that is too long")),
            }
        }
    }

    /// A last frame without the empty line that ends one: it counts all the same.
    fn rest(&mut self) -> Option<Event> {
        let rest = self.sieve.rest();
        (!rest.is_empty()).then_some(Event::Frames(rest))
    }

    fn ended(&mut self) -> Event {
        if !self.sieve.is_done {
            return Event::Lost("the replica ended the stream early");
        }
        if let Some(connection) = self.connection.take() {
            self.on.replica.pool.give_back(connection);
            self.on.answered(self.sieve.usage);
        }
        Event::End
    }
}

/// The part of a relay that needs no connection.
#[derive(Debug)]
struct Sieve {
    scanner: Scanner,
    strip_usage: bool,
    has_content: bool,
    has_error: bool,
    is_done: bool,
    usage: Option<Usage>,
    content_frames: u64,
}

/// How a frame ends whose usage is yet to come, as most servers write it.
const NO_USAGE: &[u8] = b",\"usage\":null}";

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
}

impl Choice<'_> {
    fn has_content(&self) -> bool {
        let says = |value: Option<&RawValue>| value.is_some_and(|value| !matches!(value.get(), "null" | "\"\"" | "[]"));
        let delta = self.delta.as_ref().is_some_and(|delta| {
            says(delta.content) || says(delta.reasoning_content) || says(delta.refusal) || says(delta.tool_calls)
        });
        delta || says(self.text) || says(self.finish_reason)
    }
}

impl Sieve {
    fn new(strip_usage: bool) -> Self {
        Self {
            scanner: Scanner::default(),
            strip_usage,
            has_content: false,
            has_error: false,
            is_done: false,
            usage: None,
            content_frames: 0,
        }
    }

    /// The whole frames that `chunk` completes, without what is taken out.
    fn sift(&mut self, chunk: Bytes) -> Result<Bytes, sse::FrameTooLong> {
        let began_clean = self.scanner.is_between_frames();
        self.scanner.push(chunk.clone());
        let mut kept: Vec<Bytes> = Vec::new();
        let mut is_changed = false;
        while let Some(frame) = self.scanner.next_frame()? {
            match self.look(&frame) {
                Taken::Nothing => kept.push(frame),
                Taken::All => is_changed = true,
                Taken::Part(range) => {
                    is_changed = true;
                    kept.push([&frame[..range.start], &frame[range.end..]].concat().into());
                }
            }
        }
        if began_clean && !is_changed && self.scanner.is_between_frames() {
            // Everything passes: the chunk goes on as it is.
            return Ok(chunk);
        }
        if kept.len() == 1 {
            return Ok(kept.swap_remove(0));
        }
        let mut joined = BytesMut::with_capacity(kept.iter().map(Bytes::len).sum());
        kept.iter().for_each(|frame| joined.extend_from_slice(frame));
        Ok(joined.freeze())
    }

    /// What is left when the stream has ended within a frame, made a whole one. What is cut off within its JSON is none.
    fn rest(&mut self) -> Bytes {
        let rest = self.scanner.take_rest();
        let is_whole = |data: &[u8]| data == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok();
        if !sse::data(&rest).is_some_and(is_whole) {
            return Bytes::new();
        }
        let frame: Bytes = [&rest[..], b"\n\n"].concat().into();
        match self.look(&frame) {
            Taken::Nothing => frame,
            Taken::All => Bytes::new(),
            Taken::Part(range) => [&frame[..range.start], &frame[range.end..]].concat().into(),
        }
    }

    /// Notes what a frame says, and what of it is to be taken out.
    fn look(&mut self, frame: &[u8]) -> Taken {
        let Some(payload) = sse::data(frame) else { return Taken::Nothing };
        if payload == b"[DONE]" {
            self.is_done = true;
            return Taken::Nothing;
        }
        // The payload is a part of the frame, so that the distance of their beginnings is its position.
        let at = payload.as_ptr() as usize - frame.as_ptr() as usize;
        // After the first content only usage and errors matter, and most frames hold neither.
        let usage_at = memmem::find(payload, b"\"usage\"");
        let is_ordinary = self.has_content && memmem::find(payload, b"\"error\"").is_none();
        if is_ordinary && usage_at.is_none() {
            self.content_frames += 1;
            return Taken::Nothing;
        }
        let tail = payload.len().saturating_sub(NO_USAGE.len());
        if is_ordinary && payload.ends_with(NO_USAGE) && usage_at == Some(tail + 1) {
            self.content_frames += 1;
            let range = at + tail..at + payload.len() - 1;
            return if self.strip_usage { Taken::Part(range) } else { Taken::Nothing };
        }
        self.read(payload, at)
    }

    /// The same, with the frame's JSON read.
    fn read(&mut self, payload: &[u8], at: usize) -> Taken {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(payload) else { return Taken::Nothing };
        self.has_error |= chunk.error.is_some_and(|error| error.get() != "null");
        self.has_content |= chunk.choices.iter().any(Choice::has_content);
        let usage: Option<Usage> = chunk.usage.and_then(|raw| serde_json::from_str(raw.get()).ok());
        self.usage = usage.or(self.usage);
        self.content_frames += u64::from(self.has_content && !chunk.choices.is_empty());
        match chunk.usage {
            Some(_) if self.strip_usage && usage.is_some() && chunk.choices.is_empty() => Taken::All,
            Some(raw) if self.strip_usage => {
                member(payload, raw).map_or(Taken::Nothing, |range| Taken::Part(at + range.start..at + range.end))
            }
            _ => Taken::Nothing,
        }
    }
}

/// What of a frame does not go on.
enum Taken {
    Nothing,
    Part(Range<usize>),
    All,
}

/// Where the member `usage` of an object stands whose value is `value`, with the comma that goes with it.
fn member(object: &[u8], value: &RawValue) -> Option<Range<usize>> {
    let start = value.get().as_ptr() as usize - object.as_ptr() as usize;
    let end = start + value.get().len();
    let before = object.get(..start)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before = before.strip_suffix(b"\"usage\"")?.trim_ascii_end();
    if let Some(before) = before.strip_suffix(b",") {
        return Some(before.trim_ascii_end().len()..end);
    }
    // The first member takes the comma behind it along, if there is one.
    let after = object.get(end..)?.trim_ascii_start();
    let after = after.strip_prefix(b",").unwrap_or(after);
    Some(before.len()..object.len() - after.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROLE: &str =
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
    const PLAIN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn sifted(sieve: &mut Sieve, text: &str, piece_bytes: usize) -> String {
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(piece_bytes) {
            out.extend_from_slice(&sieve.sift(Bytes::copy_from_slice(piece)).expect("short frames"));
        }
        String::from_utf8(out).expect("whole frames")
    }

    #[test]
    fn the_role_alone_is_no_content() {
        let mut sieve = Sieve::new(true);
        sifted(&mut sieve, ROLE, 1_000);
        assert!(!sieve.has_content);
        sifted(&mut sieve, WORD, 1_000);
        assert!(sieve.has_content);
    }

    #[test]
    fn an_error_within_the_stream_is_seen_before_and_after_content() {
        for before in ["", WORD] {
            let mut sieve = Sieve::new(true);
            sifted(&mut sieve, &format!("{before}data: {{\"error\":{{\"message\":\"x\"}}}}\n\n"), 1_000);
            assert!(sieve.has_error);
        }
    }

    /// Wherever it stands and however it is written, the field that the client did not ask for is gone.
    #[test]
    fn the_field_usage_is_taken_out_of_every_frame() {
        let text = r#""choices":[{"delta":{"content":"say \"usage\":null}"}}]"#;
        let usage = r#"{"prompt_tokens":3,"completion_tokens":2}"#;
        let expected = format!("data: {{{text}}}\n\n");
        for frame in [
            format!("data: {{{text},\"usage\":null}}\n\n"),
            format!("data: {{\"usage\":null,{text}}}\n\n"),
            format!("data: {{\"usage\" : null , {text}}}\n\n").replace(", \"choices", ",\"choices"),
            format!("data: {{{text} , \"usage\": {usage}}}\n\n"),
            format!("data: {{{text}}}\n\n"),
        ] {
            for first in ["", WORD] {
                let mut sieve = Sieve::new(true);
                sifted(&mut sieve, first, 1_000);
                assert_eq!(sifted(&mut sieve, &frame, 1_000), expected, "{frame}");
                assert_eq!(sieve.usage.is_some(), frame.contains("prompt_tokens"), "{frame}");
                assert_eq!(sifted(&mut Sieve::new(false), &frame, 7), frame, "asked for, it stays");
            }
        }
        assert_eq!(sifted(&mut Sieve::new(true), "data: {\"usage\":null}\n\n", 99), "data: {}\n\n");
    }

    #[test]
    fn content_is_counted_frame_by_frame() {
        let mut sieve = Sieve::new(true);
        sifted(&mut sieve, &[ROLE, ": ping\n\n", WORD, PLAIN, WORD].concat(), 11);
        assert_eq!((sieve.content_frames, sieve.usage), (3, None));
        sifted(&mut sieve, &[USAGE, DONE].concat(), 11);
        assert_eq!(sieve.content_frames, 3);
    }

    #[test]
    fn a_last_frame_needs_no_empty_line() {
        let mut sieve = Sieve::new(true);
        assert_eq!(sifted(&mut sieve, &[WORD, "data: [DONE]"].concat(), 9), PLAIN);
        assert!(!sieve.is_done);
        assert_eq!((sieve.rest(), sieve.is_done), (Bytes::from_static(DONE.as_bytes()), true));
        assert!(sieve.rest().is_empty());
        sifted(&mut sieve, &WORD[..WORD.len() - 9], 9);
        assert!(sieve.rest().is_empty(), "cut within its JSON");
    }

    proptest! {
        #[test]
        fn usage_is_metered_and_taken_out_wherever_the_stream_is_cut(piece_bytes in 1_usize..300, words in 0_usize..5, strip: bool) {
            let body = format!("{ROLE}: ping\n\n{}{USAGE}{DONE}", WORD.repeat(words));
            let mut sieve = Sieve::new(strip);
            let expected = if strip { body.replace(USAGE, "").replace(WORD, PLAIN) } else { body.clone() };
            prop_assert_eq!(sifted(&mut sieve, &body, piece_bytes), expected);
            prop_assert_eq!(sieve.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2, ..Usage::default() }));
            prop_assert!(sieve.is_done);
        }
    }
}
