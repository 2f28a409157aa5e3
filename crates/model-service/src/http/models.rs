//! `GET /v1/models`: the one model.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use llm::openai::ModelList;

use super::Service;

/// Lists the model.
pub async fn handle(State(service): State<Arc<Service>>) -> Json<ModelList> {
    Json(ModelList::new([(service.alias.clone(), service.started)], "mastercontrol"))
}
