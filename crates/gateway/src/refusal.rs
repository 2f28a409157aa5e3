//! What the gateway answers when it has no answer: the OpenAI error object, its headers, and its event in a stream.
//!
//! `{"error":{"message","type","param","code"}}`. The official clients obey `x-should-retry` before all else: it is
//! `false` once attempts have failed here, so that the client's retries do not multiply with ours; a refusal for want of
//! capacity stays retryable, and says when.

use bytes::Bytes;
use domain::{Kind, Problem};
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::body::Body;

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// OpenAI's error type, such as `invalid_request_error`.
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
    pub(crate) retry_after_seconds: Option<u64>,
    /// Attempts were made and failed: the client is not to repeat them.
    pub(crate) exhausted: bool,
    pub(crate) allow: Option<&'static str>,
    /// The rest of the request was not read: the connection cannot be used again.
    pub(crate) close: bool,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code,
            message: message.into(),
            param: None,
            retry_after_seconds: None,
            exhausted: false,
            allow: None,
            close: false,
        }
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message)
    }

    pub(crate) fn at(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    pub(crate) fn no_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "invalid_api_key",
            "no API key: send it as 'Authorization: Bearer sk-…' (make one with 'mcp key create')",
        )
    }

    pub(crate) fn wrong_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "invalid_api_key",
            "this API key is not known: check it, or make a new one with 'mcp key create'",
        )
    }

    pub(crate) fn expired_key() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "expired_api_key",
            "this API key has expired: make a new one with 'mcp key create'",
        )
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let shown: String = model.chars().take(80).collect();
        let message = format!(
            "the model {shown:?} does not exist, or this API key may not call it; GET /v1/models lists those it may"
        );
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "model_not_found", message).at("model")
    }

    pub(crate) fn unknown_path() -> Self {
        Self::unknown_path_but("the API is under /v1, such as /v1/chat/completions")
    }

    /// A path that does not exist, and what was probably meant.
    pub(crate) fn unknown_path_but(hint: &str) -> Self {
        let message = format!("this path does not exist; {hint}");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_url", message)
    }

    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let message = format!("this path answers {allow} only");
        let mut refusal =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", "method_not_allowed", message);
        refusal.allow = Some(allow);
        refusal
    }

    pub(crate) fn body_too_large(limit_bytes: u64) -> Self {
        let message = format!("the request body is larger than {limit_bytes} bytes: send less in one request");
        let mut refusal =
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", "request_too_large", message);
        refusal.close = true;
        refusal
    }

    pub(crate) fn slow_client() -> Self {
        let message = "the request body did not arrive in time: send it again";
        let mut refusal = Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "request_timeout", message);
        refusal.close = true;
        refusal
    }

    pub(crate) fn undecodable_body() -> Self {
        Self::invalid("invalid_encoding", "the request body is not what its content-encoding says: send it plain")
            .closing()
    }

    /// The rest of the request is not read.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn broken_body() -> Self {
        let mut refusal = Self::invalid("invalid_body", "the request body broke off: send it again");
        refusal.close = true;
        refusal
    }

    pub(crate) fn overloaded(what: &str) -> Self {
        let message = format!("the gateway has {what} in hand: try again in a second");
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "overloaded", message);
        refusal.retry_after_seconds = Some(1);
        refusal
    }

    /// The key has its share, and others may still have theirs.
    pub(crate) fn key_overloaded(what: &str) -> Self {
        let message = format!("this API key has {what} in hand: wait for some of them to end");
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "key_overloaded", message);
        refusal.retry_after_seconds = Some(1);
        refusal
    }

    /// The gateway's own machine cannot open another connection: no fault of any replica.
    pub(crate) fn out_of_descriptors() -> Self {
        let message = "the gateway cannot open another connection just now: try again in a second";
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "gateway_exhausted", message);
        refusal.retry_after_seconds = Some(1);
        refusal
    }

    pub(crate) fn replicas_busy(status: StatusCode, retry_after_seconds: Option<u64>) -> Self {
        let message = "every replica of the model is busy: try again later, or scale the deployment";
        let mut refusal = Self::new(status, "rate_limit_error", "replicas_busy", message);
        refusal.retry_after_seconds = Some(retry_after_seconds.unwrap_or(1).max(1));
        refusal
    }

    pub(crate) fn no_replica(why: &str) -> Self {
        let message = format!("no replica of the model can take the request ({why}): see 'mcp status'");
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "no_replica", message);
        refusal.retry_after_seconds = Some(1);
        refusal
    }

    /// The model's replicas follow the load, and none is there: this request has asked for one.
    pub(crate) fn starting(starts_in_seconds: u32) -> Self {
        // The official clients wait no longer than a minute, whatever they are told.
        let seconds = u64::from(starts_in_seconds).clamp(1, 60);
        let message = format!("the model had no replica, and one is being started: try again in {seconds} s");
        let mut refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "model_starting", message);
        refusal.retry_after_seconds = Some(seconds);
        refusal
    }

    pub(crate) fn attempts_failed(attempts: u32, last: &str) -> Self {
        let message = format!("{attempts} attempt(s) failed, the last one because {last}: see 'mcp status'");
        let mut refusal = Self::new(StatusCode::BAD_GATEWAY, "server_error", "upstream_failed", message);
        refusal.exhausted = true;
        refusal
    }

    /// Replicas died while they had this request. Clients do not repeat a 422 by themselves.
    pub(crate) fn deadly(refused_seconds: u64) -> Self {
        let message = format!(
            "replicas died while they answered this request, so it is refused for {refused_seconds} s: change it, and tell \
             the operator (see 'mcp status')"
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request_error", "deadly_request", message)
    }

    pub(crate) fn deadline() -> Self {
        let message = "the request took longer than allowed: ask for fewer tokens, or stream";
        let mut refusal = Self::new(StatusCode::GATEWAY_TIMEOUT, "server_error", "deadline_exceeded", message);
        refusal.exhausted = true;
        refusal
    }

    /// The content had begun when the replica was lost: the client must judge what it has.
    pub(crate) fn cut_midstream(cause: &str) -> Self {
        let message = format!("the answer broke off because {cause}: what came so far is incomplete");
        Self::new(StatusCode::BAD_GATEWAY, "server_error", "upstream_lost", message)
    }

    fn to_json(&self) -> Vec<u8> {
        let error = ErrorBody { message: &self.message, r#type: self.kind, param: self.param, code: self.code };
        // Writing strings to a Vec cannot fail.
        serde_json::to_vec(&ErrorObject { error }).unwrap_or_default()
    }

    /// The refusal as a response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(Bytes::from(self.to_json())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.exhausted {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mcp\""));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The refusal as an event of a stream that has begun, after which the stream is closed.
    pub(crate) fn to_event(&self) -> Bytes {
        let mut event = b"data: ".to_vec();
        event.extend_from_slice(&self.to_json());
        event.extend_from_slice(b"\n\n");
        event.into()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        let message = match &problem.next_step {
            Some(step) => format!("{}: {step}", problem.cause),
            None => problem.cause.clone(),
        };
        let code = match problem.kind {
            Kind::Invalid => "invalid_request",
            other => other.code(),
        };
        let mut refusal = Self::new(status, kind, code, message);
        refusal.retry_after_seconds = problem.retry_after_ms.map(|millis| millis.div_ceil(1_000));
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_what_the_official_client_raises_on() {
        let event = Refusal::cut_midstream("the connection was lost").to_event();
        let payload = event.strip_prefix(b"data: ").expect("a data line");
        let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        assert_eq!(value["error"]["code"], "upstream_lost");
        assert!(value["error"]["param"].is_null());
        assert!(event.ends_with(b"\n\n"));
    }
}
