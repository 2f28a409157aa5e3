//! Fits a conversation into its model's context window: the gateway's side of [`llm::context`].
//!
//! Counting is skipped when the request is so short that it must fit. All other counting is done by [`crate::fitting`]'s
//! few threads, within bounds of work and time. A conversation that cannot be counted (no vocabulary, a template that
//! refuses it or takes too long) is passed on: its replica judges.

use std::sync::Arc;

use bytes::Bytes;
use domain::Timestamp;
use http::{HeaderMap, HeaderValue};
use llm::context::{Budget, Count, Fit, FormatError, Messages, ReadError, Room, WindowError};
use llm::openai::chat::MESSAGES_MAX;

use crate::endpoint::Endpoint;
use crate::fitting::Fitting;
use crate::meter::FittingOutcome;
use crate::refusal::Refusal;
use crate::request::{Edit, Outline, replace_messages};
use crate::table::Model;

/// What a template may add to the bytes of the messages, in tokens: its opening, dates, a default system prompt.
const TEMPLATE_TOKENS: u64 = 256;

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
/// message alone are too long, and an answer for which no window has room. Dropping the future ends the work.
pub(crate) async fn fit(
    fitting: &Fitting,
    model: &Arc<Model>,
    endpoint: Endpoint,
    outline: &Outline,
    body: &Bytes,
    now: Timestamp,
) -> Result<Fitted, Refusal> {
    let room = Room { context_tokens: u64::from(model.context_tokens), max_tokens: outline.max_tokens };
    if endpoint != Endpoint::Embeddings && room.max_tokens.is_some_and(|most| most >= room.context_tokens) {
        return Err(no_room_for_the_answer(outline, room, model));
    }
    let Some(messages_at) = outline.messages_at.clone().filter(|_| endpoint == Endpoint::Chat) else {
        return Ok(Fitted::default());
    };
    if most_tokens(messages_at.len()) <= room.wanted() || model.text.reader().is_none() {
        return Ok(Fitted::default());
    }
    let (of_model, of_outline, of_body) = (Arc::clone(model), outline.clone(), body.clone());
    let cut = move |budget: &Budget| cut(&of_model, &of_outline, &of_body, room, now, budget);
    let began = tokio::time::Instant::now();
    let fitted = fitting.run(&model.text.places, cut).await;
    let (outcome, fitted) = match fitted {
        Ok(Ok(cut)) => cut,
        // A panic in counting; the conversation is passed on uncounted.
        Ok(Err(())) => (FittingOutcome::PassedOn, Ok(Fitted::default())),
        Err(full) => (FittingOutcome::Overloaded, Err(full)),
    };
    model.meter.fitted(outcome, began.elapsed());
    fitted
}

/// No text has more tokens than bytes, and JSON is never shorter than what it holds.
fn most_tokens(messages_bytes: usize) -> u64 {
    messages_bytes as u64 + TEMPLATE_TOKENS
}

type Cut = (FittingOutcome, Result<Fitted, Refusal>);

fn cut(model: &Model, outline: &Outline, body: &[u8], room: Room, now: Timestamp, budget: &Budget) -> Cut {
    let passed_on = |outcome| (outcome, Ok(Fitted::default()));
    let messages = outline.messages_at.clone().and_then(|at| body.get(at)).unwrap_or_default();
    let Some(reader) = model.text.reader() else { return passed_on(FittingOutcome::PassedOn) };
    let mut messages = match Messages::read(reader, messages, budget) {
        Ok(messages) => messages,
        Err(ReadError::TooMany) => return (FittingOutcome::Refused, Err(too_many())),
        Err(ReadError::Unreadable) => return passed_on(FittingOutcome::PassedOn),
    };
    match messages.fit(room, now) {
        Ok(fit) if fit.dropped_messages == 0 => (FittingOutcome::Whole, Ok(counted(&fit))),
        Ok(fit) => (FittingOutcome::Cut, Ok(shortened(model, outline, &fit, messages.json_of(fit.window)))),
        Err(WindowError::TooLong { needed, limit }) => {
            (FittingOutcome::Refused, Err(too_long(model, outline, room, needed, limit)))
        }
        Err(WindowError::Count(error)) => {
            tracing::debug!(%error, "conversation not counted");
            let spent = matches!(error, FormatError::Exhausted(_));
            passed_on(if spent { FittingOutcome::Exhausted } else { FittingOutcome::PassedOn })
        }
    }
}

fn counted(fit: &Fit) -> Fitted {
    let mut headers = HeaderMap::new();
    if fit.prompt.exact {
        headers.insert("x-mcp-prompt-tokens", HeaderValue::from(fit.prompt.tokens));
    }
    Fitted { edit: None, counted: Some(fit.prompt), headers }
}

fn shortened(model: &Model, outline: &Outline, fit: &Fit, kept: String) -> Fitted {
    model.meter.dropped_messages.increment(fit.dropped_messages as u64);
    let mut dropped = format!("messages={}", fit.dropped_messages);
    if let Some(tokens) = fit.dropped_tokens {
        dropped.push_str(&format!(", tokens={tokens}"));
    }
    let mut fitted = counted(fit);
    fitted.headers.extend(HeaderValue::try_from(dropped).map(|value| (CONTEXT_DROPPED, value)).ok());
    fitted.edit = replace_messages(outline, kept);
    fitted
}

const CONTEXT_DROPPED: http::HeaderName = http::HeaderName::from_static("x-mcp-context-dropped");

fn too_long(model: &Model, outline: &Outline, room: Room, needed: u64, limit: u64) -> Refusal {
    let answer = room.context_tokens.saturating_sub(limit);
    let message = format!(
        "this model's context window is {} tokens; the system prompt and the latest message have {needed}, and {answer} \
         are kept for the answer: shorten them, or lower max_tokens (model {})",
        room.context_tokens, model.name
    );
    // The larger of the two is at fault.
    let field = if room.max_tokens.is_some_and(|most| most > needed) { outline.max_tokens_field } else { "messages" };
    Refusal::invalid("context_length_exceeded", message).at(field)
}

fn no_room_for_the_answer(outline: &Outline, room: Room, model: &Model) -> Refusal {
    let (field, window) = (outline.max_tokens_field, room.context_tokens);
    let message = format!(
        "{field} is {}, and this model's context window is {window} tokens, prompt and answer together: lower it, or \
         leave it out (model {})",
        room.max_tokens.unwrap_or_default(),
        model.name
    );
    Refusal::invalid("context_length_exceeded", message).at(field)
}

fn too_many() -> Refusal {
    let message = format!("messages has more than {MESSAGES_MAX} entries: send the latest alone");
    Refusal::invalid("too_many_messages", message).at("messages")
}
