//! An answer that refuses a request: JSON-RPC on the wire, whatever was wrong with the request.

use std::ops::{Deref, DerefMut};

use axum::response::{IntoResponse, Response};
use domain::{Kind, Problem};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

/// The body is not JSON.
pub(in crate::server) const PARSE_ERROR: i32 = -32_700;
/// The body is JSON, and no message that this endpoint takes. Also what is wrong with the HTTP request around it.
pub(in crate::server) const INVALID_REQUEST: i32 = -32_600;
/// The method is unknown, or belongs to a feature that the server does not declare.
pub(in crate::server) const METHOD_NOT_FOUND: i32 = -32_601;
/// The params are not of the method's form.
pub(in crate::server) const INVALID_PARAMS: i32 = -32_602;
/// A fault of ours.
pub(in crate::server) const INTERNAL_ERROR: i32 = -32_603;
/// Headers and body contradict each other.
pub(in crate::server) const HEADER_MISMATCH: i32 = -32_020;
/// The protocol revision is not served.
pub(in crate::server) const UNSUPPORTED_VERSION: i32 = -32_022;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) struct Refusal(Box<Refused>);

/// The HTTP status, the JSON-RPC error, and the problem in its `data`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) struct Refused {
    pub status: StatusCode,
    pub code: i32,
    /// The request's id, once it is known. The protocol leaves it out where it cannot be read.
    pub id: Option<Value>,
    pub problem: Problem,
    /// More members of the error's `data`.
    pub data: Map<String, Value>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: i32, problem: Problem) -> Self {
        Self(Box::new(Refused { status, code, id: None, problem, data: Map::new(), challenge: None }))
    }

    /// What is wrong with the HTTP request, before a message could be read.
    pub fn http(status: StatusCode, problem: Problem) -> Self {
        Self::new(status, INVALID_REQUEST, problem)
    }

    /// The body holds no message that this endpoint takes.
    pub fn not_a_message(cause: impl Into<String>, field: &str) -> Self {
        let problem = Problem::invalid(cause).next("send one JSON-RPC 2.0 request or notification").at(field);
        Self::http(StatusCode::BAD_REQUEST, problem)
    }

    pub fn answering(mut self, id: Option<&Value>) -> Self {
        self.id = id.cloned();
        self
    }
}

impl Deref for Refusal {
    type Target = Refused;
    fn deref(&self) -> &Refused {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Refused {
        &mut self.0
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refused { status, code, id, problem, mut data, challenge } = *self.0;
        if let Ok(Value::Object(problem)) = serde_json::to_value(&problem) {
            data.extend(problem);
        }
        let error = json!({ "code": code, "message": problem.cause, "data": data });
        let mut body = json!({ "jsonrpc": "2.0", "error": error });
        if let Some(id) = id {
            body["id"] = id;
        }
        let mut response = (status, axum::Json(body)).into_response();
        let mut add = |name, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        };
        if let Some(challenge) = &challenge {
            add(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            add(header::ALLOW, "POST");
        }
        response
    }
}

/// Longest text taken over from another's answer, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// The refusal that says in JSON-RPC what an answer of `status` said as plain `text`.
pub(in crate::server) fn of_plain(status: StatusCode, text: &str, id: Option<&Value>) -> Refusal {
    let kind = match status.as_u16() {
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        413 => Kind::TooLarge,
        429 => Kind::Overloaded,
        500.. => Kind::Internal,
        _ => Kind::Invalid,
    };
    let cause = domain::text::printable(text, TEXT_CHARS_MAX).into_owned();
    let code = if kind == Kind::Internal { INTERNAL_ERROR } else { INVALID_REQUEST };
    Refusal::new(status, code, Problem::new(kind, cause)).answering(id)
}
