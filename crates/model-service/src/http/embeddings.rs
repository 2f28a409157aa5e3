//! `POST /v1/embeddings`: the mean of the model's last hidden states unless its file names another pooling, at length one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Problem;
use llm::openai::Prompt;
use llm::openai::embedding::{
    EmbeddingEntry, EmbeddingRequest, EmbeddingResponse, EmbeddingUsage, EmbeddingVector, EncodingFormat,
};
use tokio::sync::oneshot;

use super::body::JsonBody;
use super::error::ApiError;
use super::{Service, check_tokens, tokenizing};
use crate::engine::gate::Refusal;
use crate::engine::prefix::Token;
use crate::engine::request::{Embedding, Job};

/// OpenAI's bound on inputs a request.
const MOST_INPUTS: usize = 2_048;

/// Embeds one or several inputs.
pub async fn handle(
    State(service): State<Arc<Service>>,
    JsonBody(request): JsonBody<EmbeddingRequest>,
) -> Result<Json<EmbeddingResponse>, ApiError> {
    let engine = service.engine_for(&request.model)?;
    if request.dimensions.is_some() {
        let problem = Problem::invalid("dimensions is not supported: this model's vectors cannot be shortened");
        return Err(problem.next("leave it out").at("dimensions").into());
    }
    let inputs = inputs(&service, request.input).await?;
    let context_tokens = engine.settings.context_tokens;
    if let Some(long) = inputs.iter().find(|input| input.len() > context_tokens as usize) {
        return Err(ApiError::context_length(long.len(), context_tokens));
    }
    let prompt_tokens = inputs.iter().map(|input| input.len() as u64).sum();
    let (reply, vectors) = oneshot::channel();
    engine.submit(Job::Embed(Embedding { inputs, reply }))?;
    let vectors = vectors.await.map_err(|_| ApiError::from(Refusal::Stopped))??;
    let format = request.encoding_format.unwrap_or_default();
    let entry =
        |(index, vector)| EmbeddingEntry { object: "embedding".to_owned(), index, embedding: write(vector, format) };
    Ok(Json(EmbeddingResponse {
        object: "list".to_owned(),
        data: vectors.into_iter().enumerate().map(entry).collect(),
        model: service.alias.clone(),
        usage: EmbeddingUsage { prompt_tokens, total_tokens: prompt_tokens },
    }))
}

async fn inputs(service: &Arc<Service>, input: Prompt) -> Result<Vec<Vec<Token>>, ApiError> {
    let engine = service.engine()?;
    let inputs = match input {
        Prompt::Text(text) => vec![tokenize(service, text).await?],
        Prompt::Texts(texts) => {
            bound(texts.len())?;
            let mut inputs = Vec::with_capacity(texts.len());
            for text in texts {
                inputs.push(tokenize(service, text).await?);
            }
            inputs
        }
        Prompt::Tokens(tokens) => vec![check_tokens(engine, tokens, "input")?],
        Prompt::TokenLists(lists) => {
            bound(lists.len())?;
            lists.into_iter().map(|tokens| check_tokens(engine, tokens, "input")).collect::<Result<_, _>>()?
        }
    };
    if inputs.is_empty() || inputs.iter().any(Vec::is_empty) {
        return Err(Problem::invalid("an input is empty").next("send at least one token").at("input").into());
    }
    Ok(inputs)
}

async fn tokenize(service: &Arc<Service>, text: String) -> Result<Vec<Token>, ApiError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    tokenizing(service, text.len(), move |engine| engine.model.tokenize(&text, true, false)).await
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
