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
    let work = move || {
        service.engine().map(|engine| engine.model.tokenize(&asked.content, asked.add_special, asked.parse_special))
    };
    let worked = tokio::task::spawn_blocking(work).await;
    let tokens = worked.map_err(|error| ApiError::from(Problem::internal(format!("tokenising failed: {error}"))))??;
    Ok(Json(Tokens { tokens }))
}
