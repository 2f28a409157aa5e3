//! `GET /health`: what a router and a supervisor need to know. It waits for nothing: all of it is read from atomics.
//!
//! A replica that steps is ready, however slowly. One that has work and makes no step for `--stall-seconds` is not:
//! its `status` is `stalled`, and whoever supervises it may judge by `last_step_ms_ago` and by `steps`, which stands
//! still.

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
    /// Requests run or wait, and the engine has made no step for its limit.
    Stalled,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    status: Status,
    model: String,
    instance_id: Option<String>,
    /// Sequences and embedding jobs that run.
    running: usize,
    /// Requests that wait for a slot.
    waiting: usize,
    /// Steps that the engine has made since the start.
    steps: u64,
    /// How long ago the last step ended, in milliseconds of a monotonic clock; null before the first. It grows while
    /// the engine is idle.
    last_step_ms_ago: Option<u64>,
    parallel: u32,
    queue: usize,
    kv_usage: f64,
    prompt_tokens_per_second: f64,
    generation_tokens_per_second: f64,
    context_tokens: u32,
}

/// What those learn who may not ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bare {
    status: Status,
}

/// Says whether requests are taken, and nothing else.
pub fn bare(service: &Service) -> (StatusCode, Json<Bare>) {
    let status = of(service).status;
    let code = if status == Status::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Bare { status }))
}

/// Says how it goes: 200 when requests are taken, 503 otherwise, with the same body.
pub async fn handle(State(service): State<Arc<Service>>) -> (StatusCode, Json<Health>) {
    let health = of(&service);
    let code = if health.status == Status::Ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(health))
}

fn of(service: &Service) -> Health {
    let engine = service.engine.get();
    let (progress, stalled) = engine.map_or_else(Default::default, |engine| engine.progress(service.stall_ms));
    let status = match engine {
        None => Status::Loading,
        Some(_) if stalled => Status::Stalled,
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
        steps: progress.steps,
        last_step_ms_ago: progress.last_step_ms_ago,
        parallel: service.parallel,
        queue: service.queue,
        kv_usage: engine.map_or(0.0, |engine| engine.kv_usage()),
        prompt_tokens_per_second: load.prompt_tokens_per_second,
        generation_tokens_per_second: load.generation_tokens_per_second,
        context_tokens: engine.map_or(0, |engine| engine.settings.context_tokens),
    }
}
