//! What model services say of themselves: health, at most once a second each, and their latest log lines.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use domain::{Kind, Monotonic, Problem, Secret};
use futures_util::StreamExt as _;
use serde::Deserialize;

/// Longest wait for a model service.
const TIMEOUT: Duration = Duration::from_millis(1_000);
/// How long a health report is believed, in milliseconds.
const FRESH_MS: i64 = 1_000;
/// Most services whose health is remembered.
const REMEMBERED_MAX: usize = 4_096;
/// Most bytes of logs or health that are taken from one service.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// What `/health` of a model service says, as far as it is of use here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceHealth {
    pub running: u32,
    pub waiting: u32,
    pub kv_usage: f64,
    pub prompt_tokens_per_second: f64,
    pub generation_tokens_per_second: f64,
}

/// A reader of model services.
#[derive(Default)]
pub(crate) struct ModelServices {
    /// Made on first use: it reads the machine's certificates, which takes a while.
    client: OnceLock<Result<reqwest::Client, String>>,
    remembered: Mutex<HashMap<String, (Monotonic, Option<ServiceHealth>)>>,
}

impl ModelServices {
    fn client(&self) -> Result<&reqwest::Client, Problem> {
        // Replicas are reached directly, whatever proxy the environment names.
        let build = || reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(|e| e.to_string());
        let client = self.client.get_or_init(build);
        client.as_ref().map_err(|cause| Problem::internal(format!("no HTTP client: {cause}")))
    }

    /// The health of the service at `url`, or nothing when it does not answer.
    pub(crate) async fn health(&self, url: &str, credential: Option<&Secret>, now: Monotonic) -> Option<ServiceHealth> {
        let known = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some((_, health)) = known.filter(|(at, _)| now.millis_since(*at) < FRESH_MS) {
            return health;
        }
        let health = self.read(&format!("{url}/health"), credential).await.ok();
        // A draining service answers 503 with the same body, so the status decides nothing here.
        let health = health.and_then(|(_, text)| serde_json::from_str::<ServiceHealth>(&text).ok());
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|_, (at, _)| now.millis_since(*at) < 60 * FRESH_MS);
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(url.to_owned(), (now, health.clone()));
        }
        health
    }

    /// The latest `tail` log lines of the service at `url`.
    pub(crate) async fn logs(&self, url: &str, credential: Option<&Secret>, tail: u32) -> Result<String, Problem> {
        let (status, text) = self.read(&format!("{url}/logs?tail={tail}"), credential).await?;
        if status.is_success() {
            return Ok(text);
        }
        Err(Problem::new(Kind::Unavailable, format!("the model service answered {status} when asked for its logs")))
    }

    async fn read(&self, url: &str, credential: Option<&Secret>) -> Result<(reqwest::StatusCode, String), Problem> {
        let unavailable = |error: reqwest::Error| {
            let cause = format!("the model service does not answer: {}", error.without_url());
            Problem::new(Kind::Unavailable, cause).retry_after_ms(1_000)
        };
        let mut request = self.client()?.get(url);
        if let Some(credential) = credential {
            request = request.bearer_auth(credential.reveal());
        }
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        let mut body = response.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(unavailable)?);
            if bytes.len() > ANSWER_MAX_BYTES {
                bytes.truncate(ANSWER_MAX_BYTES);
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}
