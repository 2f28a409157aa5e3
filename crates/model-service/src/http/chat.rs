//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use domain::{Clock as _, Problem, SystemClock};
use llm::openai::chat::{
    AnswerMessage, ChatChoice, ChatChunk, ChatLogprobs, ChatMessage, ChatRequest, ChatResponse, ChunkChoice, Content,
    ContentPart, Delta, TokenLogprob,
};
use llm::openai::{FinishReason, Usage};

use super::Service;
use super::answer::{self, Head};
use super::body::JsonBody;
use super::error::ApiError;
use super::options::{self, Options};
use super::sse::{self, Chunks, Frames};
use super::work::fits;
use crate::engine::Engine;
use crate::engine::answer::Delta as EngineDelta;
use crate::engine::logprobs::TokenLogprobs;
use crate::engine::model::Model;
use crate::engine::prefix::Token;
use crate::engine::request::Event;
use crate::engine::sampling::SamplingParams;

/// Answers a conversation, whole or in chunks.
pub async fn handle(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    JsonBody(mut request): JsonBody<ChatRequest>,
) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let engine = service.engine_for(&request.model)?;
    refuse_unsupported(&request)?;
    let prompt = prompt(&service, std::mem::take(&mut request.messages)).await?;
    let options = Options { salt: options::salt(&headers)?, ..options(&request) };
    let mut events = options::submit(engine, "messages", prompt, &options, arrived).await?;
    let first = answer::first(&mut events).await?;
    let head = service.head("chatcmpl");
    let model = Arc::clone(&engine.model);
    if request.stream == Some(true) {
        let include_usage = request.stream_options.and_then(|options| options.include_usage) == Some(true);
        let chunks = ChatChunks { head, model, logprobs: request.logprobs == Some(true), include_usage };
        return Ok(sse::response(first, events, chunks));
    }
    let whole = answer::whole(first, events).await?;
    let logprobs = (request.logprobs == Some(true)).then(|| chat_logprobs(&model, &whole.delta.logprobs));
    let message = AnswerMessage { role: "assistant".to_owned(), content: Some(whole.delta.text), refusal: None };
    let finish_reason = whole.finished.reason;
    Ok(Json(ChatResponse {
        id: head.id,
        object: "chat.completion".to_owned(),
        created: head.created,
        model: head.model,
        choices: vec![ChatChoice { index: 0, message, logprobs, finish_reason }],
        usage: answer::usage(&whole.finished),
        system_fingerprint: Some(head.fingerprint),
    })
    .into_response())
}

/// Fields that would change the answer and cannot be honoured are errors, not silence.
fn refuse_unsupported(request: &ChatRequest) -> Result<(), Problem> {
    let given = request.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    let choice = request.tool_choice.as_ref().filter(|choice| !choice.is_null());
    let none = choice.is_some_and(|choice| choice == "none");
    // Tools that must not be called change nothing.
    let tools = given && !none;
    if !given && choice.is_some_and(|choice| choice != "none" && choice != "auto") {
        return Err(Problem::invalid("tool_choice is given without tools").next("leave it out").at("tool_choice"));
    }
    let audio = request.audio.is_some()
        || request.modalities.as_ref().is_some_and(|modalities| modalities.iter().any(|modality| modality != "text"));
    let unsupported = [(tools, "tools"), (audio, "audio")];
    if let Some((_, field)) = unsupported.iter().find(|(given, _)| *given) {
        return Err(Problem::invalid(format!("{field} is not supported by this model service"))
            .next("leave it out")
            .at(*field));
    }
    if request.messages.is_empty() {
        return Err(Problem::invalid("messages is empty").next("send at least one message").at("messages"));
    }
    if request.top_logprobs.is_some() && request.logprobs != Some(true) {
        return Err(Problem::invalid("top_logprobs is given without logprobs")
            .next("set logprobs to true")
            .at("top_logprobs"));
    }
    Ok(())
}

/// Renders and tokenises, apart from the threads that carry bytes: templates come with model files, and messages from
/// callers.
async fn prompt(service: &Arc<Service>, messages: Vec<ChatMessage>) -> Result<Vec<Token>, ApiError> {
    let shared = Arc::clone(service);
    let bytes = messages.iter().map(content_bytes).sum();
    // Templates may leave text out, so only what is far too long is refused unrendered.
    fits(service.engine()?, "messages", bytes / 4)?;
    service.apart("messages", bytes, move || shared.engine().and_then(|engine| tokens(engine, &messages))).await?
}

/// How long a message's text is, about.
fn content_bytes(message: &ChatMessage) -> usize {
    match &message.content {
        None => 0,
        Some(Content::Text(text)) => text.len(),
        Some(Content::Parts(parts)) => parts.iter().map(part_bytes).sum(),
    }
}

fn part_bytes(part: &ContentPart) -> usize {
    match part {
        ContentPart::Text { text } => text.len(),
        ContentPart::Refusal { refusal } => refusal.len(),
        // Refused later, unread.
        _ => 0,
    }
}

fn tokens(engine: &Engine, messages: &[ChatMessage]) -> Result<Vec<Token>, ApiError> {
    let template = engine.model.template.as_ref().ok_or_else(|| {
        Problem::invalid("this model file's chat template does not parse").next("use /v1/completions").at("messages")
    })?;
    let segments = template.render(messages, engine.model.control_texts(), SystemClock.now())?;
    let bytes = segments.iter().map(|segment| segment.text.len()).sum();
    fits(engine, "messages", bytes)?;
    Ok(engine.model.tokenize_segments(&segments))
}

fn options(request: &ChatRequest) -> Options<'_> {
    let default = SamplingParams::default();
    Options {
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        n: request.n,
        params: SamplingParams {
            temperature: request.temperature.unwrap_or(default.temperature),
            top_p: request.top_p.unwrap_or(default.top_p),
            top_k: request.top_k.unwrap_or(default.top_k),
            min_p: request.min_p.unwrap_or(default.min_p),
            presence_penalty: request.presence_penalty.unwrap_or(default.presence_penalty),
            frequency_penalty: request.frequency_penalty.unwrap_or(default.frequency_penalty),
            ..default
        },
        seed: request.seed,
        logit_bias: request.logit_bias.as_ref(),
        stop: request.stop.as_ref(),
        logprobs: (request.logprobs == Some(true)).then(|| request.top_logprobs.unwrap_or(0)),
        response_format: request.response_format.as_ref(),
        grammar: request.grammar.as_deref(),
        stream: request.stream == Some(true),
        ..Options::default()
    }
}

/// The stream's chunks: the role, the text as it comes, the reason of the end, and the usage when asked for.
struct ChatChunks {
    head: Head,
    model: Arc<Model>,
    logprobs: bool,
    include_usage: bool,
}

impl ChatChunks {
    fn chunk(&self, delta: Delta, logprobs: Option<ChatLogprobs>, finish_reason: Option<FinishReason>) -> ChatChunk {
        let choice = ChunkChoice { index: 0, delta, logprobs, finish_reason };
        self.chunk_of(vec![choice], self.include_usage.then_some(None))
    }

    fn chunk_of(&self, choices: Vec<ChunkChoice>, usage: Option<Option<Usage>>) -> ChatChunk {
        ChatChunk {
            id: self.head.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.head.created,
            model: self.head.model.clone(),
            system_fingerprint: Some(self.head.fingerprint.clone()),
            choices,
            usage,
        }
    }

    fn text(&self, delta: EngineDelta) -> ChatChunk {
        let logprobs = self.logprobs.then(|| chat_logprobs(&self.model, &delta.logprobs));
        self.chunk(Delta { role: None, content: Some(delta.text) }, logprobs, None)
    }
}

impl Chunks for ChatChunks {
    fn open(&mut self, out: &mut Frames) {
        let delta = Delta { role: Some("assistant".to_owned()), content: Some(String::new()) };
        out.json(&self.chunk(delta, None, None));
    }

    fn event(&mut self, event: Event, out: &mut Frames) -> bool {
        match event {
            Event::Delta(delta) => {
                out.json(&self.text(delta));
                return false;
            }
            Event::Finished(finished) => {
                out.json(&self.chunk(Delta::default(), None, Some(finished.reason)));
                if self.include_usage {
                    out.json(&self.chunk_of(vec![], Some(Some(answer::usage(&finished)))));
                }
                out.done();
            }
            Event::Failed(problem) => out.json(&ApiError::from(problem).body),
        }
        true
    }
}

fn chat_logprobs(model: &Model, tokens: &[TokenLogprobs]) -> ChatLogprobs {
    let entry = |token: Token, logprob: f32, top_logprobs| TokenLogprob {
        token: String::from_utf8_lossy(model.piece(token)).into_owned(),
        // JSON has no infinity; OpenAI writes this for "very unlikely".
        logprob: logprob.max(-9999.0),
        bytes: model.piece(token).to_vec(),
        top_logprobs,
    };
    let content = tokens
        .iter()
        .map(|t| {
            entry(t.token, t.logprob, Some(t.top.iter().map(|&(token, logprob)| entry(token, logprob, None)).collect()))
        })
        .collect();
    ChatLogprobs { content, refusal: None }
}
