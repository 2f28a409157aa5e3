//! That it runs, and what it can do.

use axum::Json;
use serde_json::Value;

use super::openapi;
use super::route::{Method, Route};
use super::types::Health;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Get, "/healthz", "get_health", "Whether the control plane runs", health)
            .open()
            .gives::<Health>(200, "It runs"),
        Route::new(Method::Get, "/openapi.json", "get_openapi", "This document", document)
            .open()
            .gives::<Value>(200, "The OpenAPI 3.1 document"),
    ]
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

async fn document() -> Json<Value> {
    Json(openapi::document())
}
