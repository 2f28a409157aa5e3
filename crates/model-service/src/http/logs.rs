//! `GET /logs?tail=N`: the last lines of the log, as text.

use std::sync::Arc;

use axum::extract::{Query, State, rejection::QueryRejection};
use domain::Problem;
use serde::Deserialize;

use super::Service;
use super::error::ApiError;

/// How many lines come when nothing is said.
const DEFAULT_TAIL: usize = 100;

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// How many lines, the newest.
    tail: Option<usize>,
}

/// The last lines, oldest first.
pub async fn handle(
    State(service): State<Arc<Service>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<String, ApiError> {
    let Query(asked) = query.map_err(|error| {
        Problem::invalid(format!("the query does not parse: {}", error.body_text())).next("use ?tail=100").at("tail")
    })?;
    Ok(service.logs.tail(asked.tail.unwrap_or(DEFAULT_TAIL)))
}
