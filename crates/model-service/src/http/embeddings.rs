//! `POST /v1/embeddings`: the mean of the model's last hidden states unless its file names another pooling, at length one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Problem;
use llm::openai::Prompt;
use llm::openai::embedding::{
    EmbeddingEntry, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage, EmbeddingVector, EncodingFormat,
};
use tokio::sync::oneshot;

use super::Service;
use super::body::JsonBody;
use super::error::ApiError;
use super::work::{check_tokens, fits};
use crate::engine::Engine;
use crate::engine::gate::Refusal;
use crate::engine::prefix::Token;
use crate::engine::request::{Embedding, Job};

/// OpenAI's bound on inputs a request.
const MOST_INPUTS: usize = 2_048;
/// How long a number is in JSON, about.
const BYTES_OF_A_NUMBER: usize = 12;
/// OpenAI's bound on tokens of all inputs of a request.
const MOST_TOKENS: usize = 300_000;

/// Embeds one or several inputs.
pub async fn handle(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<EmbeddingRequest>,
) -> Result<Response, ApiError> {
    let engine = service.engine_for(&request.model)?;
    if request.dimensions.is_some() {
        let problem = Problem::invalid("dimensions is not supported: this model's vectors cannot be shortened");
        return Err(problem.next("leave it out").at("dimensions").into());
    }
    let inputs = inputs(&service, request.input).await?;
    let context_tokens = engine.settings.context_tokens;
    if let Some(long) = inputs.iter().find(|input| input.len() > context_tokens as usize) {
        return Err(ApiError::context_length("input", long.len(), context_tokens));
    }
    let prompt_tokens = inputs.iter().map(|input| input.len() as u64).sum();
    let (reply, vectors) = oneshot::channel();
    engine.submit(Job::Embed(Embedding { inputs, reply }))?;
    let vectors = vectors.await.map_err(|_| ApiError::from(Refusal::Stopped))??;
    let format = request.encoding_format.unwrap_or_default();
    let entry = move |(index, vector)| EmbeddingEntry {
        object: "embedding".to_owned(),
        index,
        embedding: write(vector, format),
    };
    let model = service.alias.clone();
    // Thousands of vectors are tens of megabytes of text.
    let bytes = vectors.iter().map(|vector| vector.len() * BYTES_OF_A_NUMBER).sum();
    let body = service.apart("input", bytes, move || {
        serde_json::to_vec(&EmbeddingResponse {
            object: "list".to_owned(),
            data: vectors.into_iter().enumerate().map(entry).collect(),
            model,
            usage: EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens },
        })
    });
    let body = body.await?.map_err(|error| Problem::internal(format!("the vectors cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The inputs' tokens, made in one piece of work: it stops at the first input that is too long, and at the first too
/// many tokens.
async fn inputs(service: &Arc<Service>, input: Prompt) -> Result<Vec<Vec<Token>>, ApiError> {
    let shared = Arc::clone(service);
    let bytes = match &input {
        Prompt::Text(text) => text.len(),
        Prompt::Texts(texts) => texts.iter().map(String::len).sum(),
        Prompt::Tokens(tokens) => tokens.len(),
        Prompt::TokenLists(lists) => lists.iter().map(Vec::len).sum(),
    };
    service.apart("input", bytes, move || shared.engine().and_then(|engine| tokens(engine, input))).await?
}

fn tokens(engine: &Engine, input: Prompt) -> Result<Vec<Vec<Token>>, ApiError> {
    let texts = |texts: Vec<String>| -> Result<Vec<Vec<Token>>, ApiError> {
        bound(texts.len())?;
        let mut total = 0;
        let mut inputs = Vec::with_capacity(texts.len());
        for text in texts {
            fits(engine, "input", text.len())?;
            let tokens = if text.is_empty() { Vec::new() } else { engine.model.tokenize(&text, true, false) };
            total += tokens.len();
            bound_total(total)?;
            inputs.push(tokens);
        }
        Ok(inputs)
    };
    let inputs = match input {
        Prompt::Text(text) => texts(vec![text])?,
        Prompt::Texts(many) => texts(many)?,
        Prompt::Tokens(tokens) => vec![check_tokens(engine, tokens, "input")?],
        Prompt::TokenLists(lists) => {
            bound(lists.len())?;
            bound_total(lists.iter().map(Vec::len).sum())?;
            lists.into_iter().map(|tokens| check_tokens(engine, tokens, "input")).collect::<Result<_, _>>()?
        }
    };
    if inputs.is_empty() || inputs.iter().any(Vec::is_empty) {
        return Err(Problem::invalid("an input is empty").next("send at least one token").at("input").into());
    }
    Ok(inputs)
}

fn bound_total(tokens: usize) -> Result<(), Problem> {
    if tokens <= MOST_TOKENS {
        return Ok(());
    }
    Err(Problem::invalid("the inputs have too many tokens together")
        .next(format!("send at most {MOST_TOKENS} tokens a request"))
        .at("input"))
}

fn bound(inputs: usize) -> Result<(), Problem> {
    if inputs <= MOST_INPUTS {
        return Ok(());
    }
    Err(Problem::invalid(format!("{inputs} inputs")).next(format!("send at most {MOST_INPUTS}")).at("input"))
}

fn write(vector: Vec<f32>, format: EncodingFormat) -> EmbeddingVector {
    match format {
        EncodingFormat::Float => EmbeddingVector::Float(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
            EmbeddingVector::Base64(STANDARD.encode(bytes))
        }
    }
}
