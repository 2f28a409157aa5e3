//! `POST /v1/completions`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use domain::Problem;
use llm::openai::completion::{CompletionChoice, CompletionLogprobs, CompletionRequest, CompletionResponse};
use llm::openai::{FinishReason, Prompt, Usage};

use super::Service;
use super::answer::{self, Head};
use super::body::JsonBody;
use super::error::ApiError;
use super::options::{self, Options};
use super::sse::{self, Chunks, Frames};
use super::work::{check_tokens, tokenizing};
use crate::engine::answer::Delta;
use crate::engine::model::Model;
use crate::engine::prefix::Token;
use crate::engine::request::Event;
use crate::engine::sampling::SamplingParams;

/// What OpenAI generates when nothing is said.
const DEFAULT_MAX_TOKENS: u32 = 16;

/// Continues a text, whole or in chunks.
pub async fn handle(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let engine = service.engine_for(&request.model)?;
    refuse_unsupported(&request)?;
    let prompt = prompt(&service, &request.prompt).await?;
    let options = Options { salt: options::salt(&headers)?, ..options(&request) };
    let mut events = options::submit(engine, "prompt", prompt, &options, arrived).await?;
    let first = answer::first(&mut events).await?;
    let logprobs = request.logprobs.is_some();
    let writer = Writer { head: service.head("cmpl"), model: Arc::clone(&engine.model), logprobs };
    if request.stream == Some(true) {
        let include_usage = request.stream_options.and_then(|options| options.include_usage) == Some(true);
        return Ok(sse::response(first, events, CompletionChunks { writer, include_usage }));
    }
    let whole = answer::whole(first, events).await?;
    let choice = writer.choice(whole.delta, Some(whole.finished.reason));
    let usage = answer::usage(&whole.finished);
    Ok(Json(writer.response(vec![choice], Some(Some(usage)))).into_response())
}

fn refuse_unsupported(request: &CompletionRequest) -> Result<(), Problem> {
    let unsupported = [
        (request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()), "suffix"),
        (request.echo == Some(true), "echo"),
        (request.best_of.is_some_and(|best_of| best_of > 1), "best_of"),
    ];
    match unsupported.iter().find(|(given, _)| *given) {
        Some((_, field)) => Err(Problem::invalid(format!("{field} is not supported by this model service"))
            .next("leave it out")
            .at(*field)),
        None => Ok(()),
    }
}

async fn prompt(service: &Arc<Service>, prompt: &Prompt) -> Result<Vec<Token>, ApiError> {
    let text = match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Texts(texts) if texts.len() == 1 => texts.concat(),
        Prompt::Tokens(tokens) => return check_tokens(service.engine()?, tokens.clone(), "prompt"),
        Prompt::TokenLists(lists) if lists.len() == 1 => {
            return check_tokens(service.engine()?, lists.concat(), "prompt");
        }
        Prompt::Texts(_) | Prompt::TokenLists(_) => {
            return Err(Problem::invalid("only one prompt a request is supported")
                .next("send one request for each")
                .at("prompt")
                .into());
        }
    };
    // The text is the caller's own prompt, control tokens included, as with OpenAI's and llama.cpp's own servers.
    tokenizing(service, "prompt", text.len(), move |engine| engine.model.tokenize(&text, true, true)).await
}

fn options(request: &CompletionRequest) -> Options<'_> {
    let default = SamplingParams::default();
    Options {
        max_tokens: Some(request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
        n: request.n,
        params: SamplingParams {
            temperature: request.temperature.unwrap_or(default.temperature),
            top_p: request.top_p.unwrap_or(default.top_p),
            top_k: request.top_k.unwrap_or(default.top_k),
            min_p: request.min_p.unwrap_or(default.min_p),
            presence_penalty: request.presence_penalty.unwrap_or(default.presence_penalty),
            frequency_penalty: request.frequency_penalty.unwrap_or(default.frequency_penalty),
            ignore_end: request.ignore_eos == Some(true),
            ..default
        },
        seed: request.seed,
        logit_bias: request.logit_bias.as_ref(),
        stop: request.stop.as_ref(),
        logprobs: request.logprobs,
        response_format: request.response_format.as_ref(),
        grammar: request.grammar.as_deref(),
        stream: request.stream == Some(true),
        ..Options::default()
    }
}

/// Writes answers and pieces of them, which have one shape here.
struct Writer {
    head: Head,
    model: Arc<Model>,
    logprobs: bool,
}

impl Writer {
    fn response(&self, choices: Vec<CompletionChoice>, usage: Option<Option<Usage>>) -> CompletionResponse {
        CompletionResponse {
            id: self.head.id.clone(),
            object: "text_completion".to_owned(),
            created: self.head.created,
            model: self.head.model.clone(),
            system_fingerprint: Some(self.head.fingerprint.clone()),
            choices,
            usage,
        }
    }

    fn choice(&self, delta: Delta, finish_reason: Option<FinishReason>) -> CompletionChoice {
        let logprobs = self.logprobs.then(|| self.logprobs(&delta));
        CompletionChoice { index: 0, text: delta.text, logprobs, finish_reason }
    }

    fn logprobs(&self, delta: &Delta) -> CompletionLogprobs {
        let piece = |token: Token| String::from_utf8_lossy(self.model.piece(token)).into_owned();
        let mut out = CompletionLogprobs::default();
        for token in &delta.logprobs {
            out.text_offset.push(token.offset);
            out.tokens.push(piece(token.token));
            // JSON has no infinity; OpenAI writes this for "very unlikely".
            out.token_logprobs.push(token.logprob.max(-9999.0));
            let top = token.top.iter().map(|&(token, logprob)| (piece(token), logprob.max(-9999.0)));
            out.top_logprobs.push(top.collect::<BTreeMap<_, _>>());
        }
        out
    }
}

/// The stream's chunks.
struct CompletionChunks {
    writer: Writer,
    include_usage: bool,
}

impl Chunks for CompletionChunks {
    fn open(&mut self, _: &mut Frames) {}

    fn event(&mut self, event: Event, out: &mut Frames) -> bool {
        let usage_later = self.include_usage.then_some(None);
        match event {
            Event::Delta(delta) => {
                let choice = self.writer.choice(delta, None);
                out.json(&self.writer.response(vec![choice], usage_later));
                return false;
            }
            Event::Finished(finished) => {
                let choice = self.writer.choice(Delta::default(), Some(finished.reason));
                out.json(&self.writer.response(vec![choice], usage_later));
                if self.include_usage {
                    out.json(&self.writer.response(vec![], Some(Some(answer::usage(&finished)))));
                }
                out.done();
            }
            Event::Failed(problem) => out.json(&ApiError::from(problem).body),
        }
        true
    }
}
