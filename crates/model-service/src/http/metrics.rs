//! `GET /metrics`, in Prometheus's text format.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use telemetry::metric;

use super::Service;

/// Renders all metrics, the engine's gauges read now.
pub async fn handle(State(service): State<Arc<Service>>) -> impl IntoResponse {
    if let Some(engine) = service.engine.get() {
        let (in_hand, load) = (engine.gate().in_hand(), engine.load.now());
        metrics::gauge!(metric::ENGINE_REQUESTS_RUNNING.name).set(in_hand.running as f64);
        metrics::gauge!(metric::ENGINE_REQUESTS_WAITING.name).set(in_hand.waiting as f64);
        metrics::gauge!(metric::ENGINE_KV_USAGE.name).set(engine.kv_usage());
        metrics::gauge!(metric::ENGINE_PROMPT_RATE.name).set(load.prompt_tokens_per_second);
        metrics::gauge!(metric::ENGINE_GENERATION_RATE.name).set(load.generation_tokens_per_second);
        metrics::counter!(metric::ENGINE_PROMPT_TOKENS.name).absolute(load.prompt_tokens);
        metrics::counter!(metric::ENGINE_GENERATION_TOKENS.name).absolute(load.generation_tokens);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (service.prometheus)())
}
