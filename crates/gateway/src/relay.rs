//! A replica's event stream, looked through as it passes: where its content begins, what it used, whether it ended.
//!
//! Frames go on byte for byte as they came. Only the usage that the gateway asked for in the client's place is taken out.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use llm::sse::{self, Scanner};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::in_flight::InFlight;
use crate::pool::Connection;

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
    /// It broke off.
    Broken(&'static str),
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

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.sieve.usage
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
                Some(Err(_)) => return Poll::Ready(Event::Broken("the connection to the replica was lost")),
                None => return Poll::Ready(self.ended()),
            };
            let Ok(chunk) = frame.into_data() else { continue };
            match self.sieve.sift(chunk) {
                Ok(frames) if frames.is_empty() => {}
                Ok(frames) => return Poll::Ready(Event::Frames(frames)),
                Err(_) => return Poll::Ready(Event::Broken("the replica sent an event that is too long")),
            }
        }
    }

    fn ended(&mut self) -> Event {
        if !self.sieve.is_done {
            return Event::Broken("the replica ended the stream early");
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
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    #[serde(default)]
    usage: Option<Usage>,
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
        }
    }

    /// The whole frames that `chunk` completes, without those taken out.
    fn sift(&mut self, chunk: Bytes) -> Result<Bytes, sse::FrameTooLong> {
        let began_clean = self.scanner.is_between_frames();
        self.scanner.push(chunk.clone());
        let mut kept: Vec<Bytes> = Vec::new();
        let mut stripped = false;
        while let Some(frame) = self.scanner.next_frame()? {
            if self.keeps(&frame) {
                kept.push(frame);
            } else {
                stripped = true;
            }
        }
        if began_clean && !stripped && self.scanner.is_between_frames() {
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

    /// Notes what a frame says; false when it is to be taken out.
    fn keeps(&mut self, frame: &[u8]) -> bool {
        let Some(payload) = sse::data(frame) else { return true };
        if payload == b"[DONE]" {
            self.is_done = true;
            return true;
        }
        // After the first content only usage and errors matter, and most frames hold neither.
        let may_matter = !self.has_content
            || memmem::find(payload, b"\"usage\"").is_some()
            || memmem::find(payload, b"\"error\"").is_some();
        if !may_matter {
            return true;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk>(payload) else { return true };
        self.has_error |= chunk.error.is_some();
        self.has_content |= chunk.choices.iter().any(Choice::has_content);
        self.usage = chunk.usage.or(self.usage);
        !(self.strip_usage && chunk.usage.is_some() && chunk.choices.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROLE: &str =
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n";
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

    proptest! {
        #[test]
        fn usage_is_metered_and_taken_out_wherever_the_stream_is_cut(piece_bytes in 1_usize..300, words in 0_usize..5, strip: bool) {
            let body = format!("{ROLE}: ping\n\n{}{USAGE}{DONE}", WORD.repeat(words));
            let mut sieve = Sieve::new(strip);
            let expected = if strip { body.replace(USAGE, "") } else { body.clone() };
            prop_assert_eq!(sifted(&mut sieve, &body, piece_bytes), expected);
            prop_assert_eq!(sieve.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2, ..Usage::default() }));
            prop_assert!(sieve.is_done);
        }
    }
}
