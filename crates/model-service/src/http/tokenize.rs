//! `POST /tokenize`: a text's tokens, as the model's own vocabulary cuts it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::Problem;
use serde::{Deserialize, Serialize};

use super::Service;
use super::body::JsonBody;
use super::error::ApiError;
use crate::engine::prefix::Token;

/// The longest text.
const LONGEST_BYTES: usize = 256 * 1024;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The text.
    content: String,
    /// Whether the tokens that the model wants around a prompt are added.
    #[serde(default)]
    add_special: bool,
    /// Whether the texts of control tokens become those tokens.
    #[serde(default = "yes")]
    parse_special: bool,
}

const fn yes() -> bool {
    true
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Tokens {
    tokens: Vec<Token>,
}

/// Cuts a text into tokens; a text longer than the context is fine here.
pub async fn handle(
    State(service): State<Arc<Service>>,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Json<Tokens>, ApiError> {
    service.engine()?;
    if asked.content.len() > LONGEST_BYTES {
        return Err(Problem::invalid(format!("content is longer than {LONGEST_BYTES} bytes"))
            .next("send it in parts")
            .at("content")
            .into());
    }
    let (shared, bytes) = (Arc::clone(&service), asked.content.len());
    let work = move || {
        shared.engine().map(|engine| engine.model.tokenize(&asked.content, asked.add_special, asked.parse_special))
    };
    let tokens = service.apart("content", bytes, work).await??;
    Ok(Json(Tokens { tokens }))
}
