//! Fits a conversation into its model's context window: the gateway's side of [`llm::context`].
//!
//! Counting is skipped when the request is so short that it must fit, and leaves the async threads when it is long. A
//! conversation that cannot be counted (no vocabulary, a template that refuses it) is passed on: its replica judges.

use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue};
use llm::context::{Count, Fit, FormatError, Message, Reader, Room, WindowError, fit as fit_window};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::request::{Edit, Outline, replace_messages};
use crate::table::Model;

/// What a template may add to the bytes of the messages, in tokens: its opening, dates, a default system prompt.
const TEMPLATE_TOKENS: u64 = 256;
/// A token for each byte of the tools' JSON, and what templates write around it.
const TOOLS_FACTOR: u64 = 2;
/// Conversations longer than this are counted off the async threads.
const LONG_BYTES: usize = 16 << 10;

/// What became of a conversation.
#[derive(Default)]
pub(crate) struct Fitted {
    /// The messages that are left, when some were dropped.
    pub(crate) edit: Option<Edit>,
    /// Tokens of what is left, when they were counted.
    pub(crate) counted: Option<Count>,
    /// What the client is told: tokens counted, messages dropped.
    pub(crate) headers: HeaderMap,
}

/// Drops the oldest turns of a chat that is longer than its model's window. Refuses one whose system prompt and latest
/// message alone are too long.
pub(crate) async fn fit(
    model: &Arc<Model>,
    endpoint: Endpoint,
    outline: &Outline,
    body: &Bytes,
    now: Timestamp,
) -> Result<Fitted, Refusal> {
    let Some(messages_at) = outline.messages_at.clone().filter(|_| endpoint == Endpoint::Chat) else {
        return Ok(Fitted::default());
    };
    let room = Room { context_tokens: u64::from(model.context_tokens), max_tokens: outline.max_tokens };
    if most_tokens(outline) <= room.wanted() || model.text.reader().is_none() {
        return Ok(Fitted::default());
    }
    if messages_at.len() <= LONG_BYTES {
        return cut(model, outline, body, room, now);
    }
    let (model, outline, body) = (Arc::clone(model), outline.clone(), body.clone());
    let counted = tokio::task::spawn_blocking(move || cut(&model, &outline, &body, room, now)).await;
    // Only a panic in counting gets here; the conversation is passed on uncounted.
    counted.unwrap_or_else(|_| Ok(Fitted::default()))
}

/// No text has more tokens than bytes, and JSON is never shorter than what it holds.
fn most_tokens(outline: &Outline) -> u64 {
    let length = |range: &Option<std::ops::Range<usize>>| range.as_ref().map_or(0, |range| range.len() as u64);
    length(&outline.messages_at) + TOOLS_FACTOR * length(&outline.tools_at) + TEMPLATE_TOKENS
}

fn cut(model: &Model, outline: &Outline, body: &[u8], room: Room, now: Timestamp) -> Result<Fitted, Refusal> {
    let Some(conversation) = Conversation::of(model, outline, body) else { return Ok(Fitted::default()) };
    let kinds: Vec<Message> = conversation.messages.iter().map(Message::of).collect();
    if kinds.is_empty() {
        return Ok(Fitted::default());
    }
    match fit_window(&kinds, room, |kept| conversation.count(kept, now)) {
        Ok(fit) => Ok(conversation.fitted(model, outline, &fit)),
        Err(WindowError::TooLong { needed, limit }) => Err(too_long(model, room, needed, limit)),
        Err(WindowError::Count(error)) => {
            tracing::debug!(%error, "conversation not counted");
            Ok(Fitted::default())
        }
    }
}

/// A request's messages, as they came and as they are read.
struct Conversation<'a> {
    reader: &'a Reader,
    raw: Vec<&'a RawValue>,
    messages: Vec<Value>,
    tools: Option<Value>,
}

impl<'a> Conversation<'a> {
    /// Nothing when the messages are not a list: its replica will say what is wrong with it.
    fn of(model: &'a Model, outline: &Outline, body: &'a [u8]) -> Option<Self> {
        let raw: Vec<&RawValue> = serde_json::from_slice(body.get(outline.messages_at.clone()?)?).ok()?;
        let messages = raw.iter().map(|raw| serde_json::from_str(raw.get())).collect::<Result<_, _>>().ok()?;
        let tools = outline.tools_at.clone().and_then(|at| serde_json::from_slice(body.get(at)?).ok());
        Some(Self { reader: model.text.reader()?, raw, messages, tools })
    }

    fn count(&self, kept: &[usize], now: Timestamp) -> Result<Count, FormatError> {
        if kept.len() == self.messages.len() {
            return self.reader.count_chat(&self.messages, self.tools.as_ref(), now);
        }
        let messages: Vec<Value> = kept.iter().filter_map(|index| self.messages.get(*index).cloned()).collect();
        self.reader.count_chat(&messages, self.tools.as_ref(), now)
    }

    fn fitted(&self, model: &Model, outline: &Outline, fit: &Fit) -> Fitted {
        let mut headers = HeaderMap::new();
        if fit.prompt.exact {
            headers.insert("x-mcp-prompt-tokens", HeaderValue::from(fit.prompt.tokens));
        }
        if fit.dropped_messages == 0 {
            return Fitted { edit: None, counted: Some(fit.prompt), headers };
        }
        model.meter.dropped_messages.increment(fit.dropped_messages as u64);
        let dropped = format!("messages={}, tokens={}", fit.dropped_messages, fit.dropped_tokens);
        headers.extend(HeaderValue::try_from(dropped).map(|value| (CONTEXT_DROPPED, value)).ok());
        let kept: Vec<&str> = fit.kept.iter().filter_map(|index| Some(self.raw.get(*index)?.get())).collect();
        let edit = replace_messages(outline, format!("[{}]", kept.join(",")));
        Fitted { edit, counted: Some(fit.prompt), headers }
    }
}

const CONTEXT_DROPPED: http::HeaderName = http::HeaderName::from_static("x-mcp-context-dropped");

fn too_long(model: &Model, room: Room, needed: u64, limit: u64) -> Refusal {
    let answer = room.context_tokens.saturating_sub(limit);
    let message = format!(
        "this model's context window is {} tokens; the system prompt and the latest message have {needed}, and {answer} \
         are kept for the answer: shorten them, or lower max_tokens (model {})",
        room.context_tokens, model.name
    );
    Refusal::invalid("context_length_exceeded", message).at("messages")
}
