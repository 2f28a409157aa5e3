//! Calling a cloud: the contract's tools by type, over stateless MCP (protocol 2026-07-28).
//!
//! A call is one POST, so there is no connection to keep, restore or share: that is why this stands on a plain HTTP client
//! and not on the library's session client. Calls have a deadline; what did not get through is repeated with backoff,
//! which the idempotency token makes safe; a cloud that does not answer is left alone for a while.

mod breaker;
mod error;
mod tokens;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Clock;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use breaker::Breaker;
pub use error::CallError;
pub use tokens::{SignedTokens, TokenSource};
pub use wire::ToolInfo;
use wire::{Reached, Request};

use crate::contract::envelope::{Envelope, Status};
use crate::contract::tools::Tool;

/// How calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientConfig {
    /// How long a call may take with all its attempts.
    pub deadline: Duration,
    /// Most attempts of one call.
    pub attempts_max: u32,
    /// The longest wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// After so many failures in a row the cloud is left alone…
    pub failures_max: u32,
    /// …for so long.
    pub pause: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            attempts_max: 4,
            backoff: Duration::from_millis(100),
            failures_max: 5,
            pause: Duration::from_secs(5),
        }
    }
}

/// A client of one cloud's server.
pub struct CloudClient {
    name: String,
    url: String,
    http: reqwest::Client,
    tokens: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    config: ClientConfig,
    breaker: Mutex<Breaker>,
    jitter: Mutex<StdRng>,
    next_id: AtomicU64,
}

impl CloudClient {
    /// A client of the cloud called `name`, whose endpoint is `url`; the URL is also the audience of its tokens.
    pub fn new(
        name: impl Into<String>,
        url: impl Into<String>,
        tokens: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
        config: ClientConfig,
    ) -> Result<Self, CallError> {
        let (name, url) = (name.into(), url.into());
        let unusable = |cause: String| CallError::Protocol { cloud: name.clone(), cause };
        let parsed: http::Uri = url.parse().map_err(|e| unusable(format!("{url:?} is not a URL: {e}")))?;
        // A redirect would carry the token elsewhere.
        let mut http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tcp_nodelay(true);
        if matches!(parsed.host(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| unusable(e.to_string()))?;
        let breaker = Mutex::new(Breaker::new(config.failures_max, config.pause));
        let jitter = Mutex::new(StdRng::from_os_rng());
        Ok(Self { name, url, http, tokens, clock, config, breaker, jitter, next_id: AtomicU64::new(1) })
    }

    /// The cloud's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls a tool. A result whose status is failed is [`CallError::Refused`].
    pub async fn call<T: Tool>(&self, args: &T::Args) -> Result<Envelope<T::Output>, CallError> {
        let args = serde_json::to_value(args).map_err(|e| self.broken(e.to_string()))?;
        let envelope: Envelope<T::Output> = self.call_tool(T::NAME, args).await?;
        match (envelope.status, envelope.error) {
            (Status::Failed, Some(problem)) => {
                let operation = envelope.operation.map(Box::new);
                Err(CallError::Refused { problem: Box::new(problem), operation })
            }
            (Status::Failed, None) => Err(self.broken("a call failed without a reason".to_owned())),
            (_, error) => Ok(Envelope { error, ..envelope }),
        }
    }

    /// Calls a tool by name, and returns its envelope as it came, failed or not.
    pub async fn call_json(&self, tool: &str, args: Value) -> Result<Envelope<Value>, CallError> {
        self.call_tool(tool, args).await
    }

    /// The tools that the token's roles may call.
    pub async fn list_tools(&self) -> Result<Vec<ToolInfo>, CallError> {
        let result = self.request(Request { method: "tools/list", tool: None, params: json!({}) }).await?;
        serde_json::from_value(result["tools"].clone()).map_err(|e| self.broken(format!("tools/list: {e}")))
    }

    async fn call_tool<T: DeserializeOwned>(&self, tool: &str, args: Value) -> Result<Envelope<T>, CallError> {
        let params = json!({ "name": tool, "arguments": args });
        let result = self.request(Request { method: "tools/call", tool: Some(tool), params }).await?;
        serde_json::from_value(result["structuredContent"].clone())
            .map_err(|e| self.broken(format!("the result of {tool} is not an envelope: {e}")))
    }

    /// Sends a request until it is answered, at most until the deadline.
    async fn request(&self, request: Request<'_>) -> Result<Value, CallError> {
        let deadline = Instant::now() + self.config.deadline;
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            self.breaker.lock().ask(Instant::now()).map_err(|pause| CallError::Paused {
                cloud: self.name.clone(),
                retry_after_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            })?;
            let cause = match tokio::time::timeout_at(deadline, self.attempt(&request)).await {
                Err(_) => {
                    self.breaker.lock().note(false, Instant::now());
                    let after_ms = u64::try_from(self.config.deadline.as_millis()).unwrap_or(u64::MAX);
                    return Err(CallError::Timeout { cloud: self.name.clone(), after_ms });
                }
                Ok(Err(Reached::Not(cause))) => {
                    self.breaker.lock().note(false, Instant::now());
                    cause
                }
                Ok(outcome) => {
                    self.breaker.lock().note(true, Instant::now());
                    match outcome {
                        Err(Reached::Unauthenticated) if !renewed => {
                            // The key may have changed, or the clocks differ: once more with a fresh token.
                            self.tokens.forget(&self.url);
                            renewed = true;
                            continue;
                        }
                        Err(reached) => return Err(reached.into_error(&self.name)),
                        Ok(result) => return Ok(result),
                    }
                }
            };
            let wait = self.backoff(attempt);
            attempt += 1;
            if attempt > self.config.attempts_max || Instant::now() + wait >= deadline {
                return Err(CallError::Unreachable { cloud: self.name.clone(), cause });
            }
            tracing::debug!(cloud = %self.name, %cause, attempt, "call repeated");
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Value, Reached> {
        let token = self.tokens.token(&self.url, self.clock.now()).map_err(Reached::NoToken)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        wire::send(&self.http, &self.url, &token, id, request).await
    }

    /// Full jitter over a doubling span (Brooker, "Exponential Backoff And Jitter", AWS 2015).
    fn backoff(&self, attempt: u32) -> Duration {
        let span = self.config.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(6));
        span.mul_f64(self.jitter.lock().random())
    }

    fn broken(&self, cause: String) -> CallError {
        CallError::Protocol { cloud: self.name.clone(), cause }
    }
}
