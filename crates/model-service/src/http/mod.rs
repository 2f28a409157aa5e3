//! The HTTP side: one endpoint a file, and what they share.

pub mod answer;
pub mod body;
pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod error;
pub mod guard;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod models;
pub mod options;
pub mod sse;
pub mod tokenize;
pub mod work;

use std::sync::{Arc, OnceLock};

use axum::routing::{get, post};
use axum::{Router, middleware};
use domain::{Clock as _, SystemClock};
use tokio::sync::Semaphore;

use crate::engine::Engine;
use crate::log_ring::LogRing;
use answer::Head;
use error::ApiError;
use guard::Guard;
use work::Lanes;

/// What every endpoint can see.
pub struct Service {
    /// The name that the model is asked for by.
    pub alias: String,
    /// The cloud's name for this process.
    pub instance_id: Option<String>,
    /// How many sequences run together.
    pub parallel: u32,
    /// How many requests wait beyond them.
    pub queue: usize,
    /// How many milliseconds the engine may make no step while it has work.
    pub stall_ms: u64,
    /// Who may ask.
    pub guard: Guard,
    /// When the service started, in seconds since the Unix epoch.
    pub started: i64,
    /// The last lines of the log.
    pub logs: LogRing,
    /// Where work of a caller's size is done.
    pub lanes: Lanes,
    /// Room for the bodies that are being read and parsed, in units of `body::UNIT_BYTES`.
    pub bodies: Arc<Semaphore>,
    /// Renders `/metrics`.
    pub prometheus: Box<dyn Fn() -> String + Send + Sync>,
    /// The engine, once the model is loaded.
    pub engine: OnceLock<Engine>,
}

impl Service {
    /// The engine, or that it is still loading.
    pub fn engine(&self) -> Result<&Engine, ApiError> {
        self.engine.get().ok_or_else(|| ApiError::unavailable("loading", "the model is still loading; try again"))
    }

    /// The engine, when `model` is what it serves: by its whole name, or by the part before the version.
    pub fn engine_for(&self, model: &str) -> Result<&Engine, ApiError> {
        let family = self.alias.split_once(':').map_or(self.alias.as_str(), |(name, _)| name);
        if model == self.alias || model == family {
            return self.engine();
        }
        Err(ApiError::model_not_found(model, &self.alias))
    }

    /// What every part of a new answer repeats; ids begin with `kind`.
    pub fn head(&self, kind: &str) -> Head {
        Head {
            id: format!("{kind}-{}", uuid::Uuid::new_v4().simple()),
            created: SystemClock.now().unix_seconds(),
            model: self.alias.clone(),
            fingerprint: concat!("model-service-", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Every path.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat::handle))
        .route("/v1/completions", post(completions::handle))
        .route("/v1/embeddings", post(embeddings::handle))
        .route("/v1/models", get(models::handle))
        .route("/tokenize", post(tokenize::handle))
        .route("/health", get(health::handle))
        .route("/metrics", get(metrics::handle))
        .route("/logs", get(logs::handle))
        .fallback(|| async { ApiError::no_route() })
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() })
        .layer(middleware::from_fn_with_state(Arc::clone(&service), guard::check))
        .with_state(service)
}
