//! Every answer that is an error: OpenAI's error object, with the right status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{Kind, Problem};
use llm::openai::{ErrorBody, ErrorKind};

use crate::engine::gate::Refusal;

/// An error on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: ErrorBody,
    /// Seconds to wait before trying again.
    pub retry_after_s: Option<u32>,
}

impl ApiError {
    /// The prompt does not fit into the context.
    pub fn context_length(field: &str, prompt_tokens: usize, context_tokens: u32) -> Self {
        let of_the_answer = if field == "input" { "" } else { ", one of which is for the answer" };
        let message = format!(
            "{field} has {prompt_tokens} tokens and the context holds {context_tokens}{of_the_answer}; shorten it"
        );
        Self {
            status: StatusCode::BAD_REQUEST,
            body: ErrorBody::new(ErrorKind::InvalidRequestError, message).param(field).code("context_length_exceeded"),
            retry_after_s: None,
        }
    }

    /// Another model is asked for than is served.
    pub fn model_not_found(asked: &str, served: &str) -> Self {
        let shown: String = asked.chars().take(80).collect();
        let message = format!("the model {shown:?} is not served here; ask for {served:?}");
        Self {
            status: StatusCode::NOT_FOUND,
            body: ErrorBody::new(ErrorKind::NotFoundError, message).param("model").code("model_not_found"),
            retry_after_s: None,
        }
    }

    /// The service cannot take the request now.
    pub fn unavailable(code: &str, message: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: ErrorBody::new(ErrorKind::ServerError, message).code(code),
            retry_after_s: Some(1),
        }
    }

    /// The path does not exist.
    pub fn no_route() -> Self {
        Problem::new(Kind::NotFound, "there is no such path")
            .next("use /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, /tokenize, /health, /metrics or /logs")
            .into()
    }

    /// The path exists, with another method.
    pub fn wrong_method() -> Self {
        let error = Self::from(Problem::invalid("this path does not take that method"));
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..error }
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = problem.retry_after_ms.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX));
        Self { status, body: ErrorBody::from(&problem), retry_after_s }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                body: ErrorBody::new(
                    ErrorKind::RateLimitError,
                    "all slots are busy and the queue is full; try again later",
                )
                .code("rate_limit_exceeded"),
                retry_after_s: Some(1),
            },
            Refusal::Draining => Self::unavailable("draining", "this replica is draining; ask another, or try again"),
            Refusal::Stopped => {
                Self::unavailable("engine_stopped", "the engine of this replica has stopped; ask another")
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
