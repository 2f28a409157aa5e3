//! `GET /health`: what a router needs to know.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Service;
use crate::engine::gate::InHand;
use crate::engine::load::LoadNow;

/// Whether requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Requests are taken.
    Ok,
    /// The model is not loaded yet.
    Loading,
    /// What was taken is being finished; nothing new is taken.
    Draining,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    status: Status,
    model: String,
    instance_id: Option<String>,
    running: usize,
    waiting: usize,
    parallel: u32,
    queue: usize,
    kv_usage: f64,
    prompt_tokens_per_second: f64,
    generation_tokens_per_second: f64,
    context_tokens: u32,
}

/// Says how it goes: 200 when requests are taken, 503 otherwise, with the same body.
pub async fn handle(State(service): State<Arc<Service>>) -> (StatusCode, Json<Health>) {
    let health = of(&service);
    let code = if health.status == Status::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health))
}

fn of(service: &Service) -> Health {
    let engine = service.engine.get();
    let status = match engine {
        None => Status::Loading,
        Some(engine) if engine.gate().is_draining() => Status::Draining,
        Some(_) => Status::Ok,
    };
    let in_hand = engine.map_or(InHand { running: 0, waiting: 0 }, |engine| engine.gate().in_hand());
    let load = engine.map_or(LoadNow::default(), |engine| engine.load.now());
    Health {
        status,
        model: service.alias.clone(),
        instance_id: service.instance_id.clone(),
        running: in_hand.running,
        waiting: in_hand.waiting,
        parallel: service.parallel,
        queue: service.queue,
        kv_usage: engine.map_or(0.0, |engine| engine.kv_usage()),
        prompt_tokens_per_second: load.prompt_tokens_per_second,
        generation_tokens_per_second: load.generation_tokens_per_second,
        context_tokens: engine.map_or(0, |engine| engine.settings.context_tokens),
    }
}
