//! The OpenAI error object, and how a [`Problem`] reads in it.

use domain::{Kind, Problem};
use serde::{Deserialize, Serialize};

/// The body of every answer that is an error: `{"error": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// What went wrong, in OpenAI's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// The cause and what to do, for a person.
    pub message: String,
    /// The kind, as OpenAI names kinds.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// The field at fault.
    pub param: Option<String>,
    /// A stable word for programs, such as `context_length_exceeded`.
    pub code: Option<String>,
}

/// OpenAI's kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is at fault.
    InvalidRequestError,
    /// The key is missing or wrong.
    AuthenticationError,
    /// The key may not do this.
    PermissionError,
    /// The thing does not exist.
    NotFoundError,
    /// Too many requests or tokens.
    RateLimitError,
    /// A fault of the server.
    ServerError,
}

impl ErrorBody {
    /// An error object of `kind` that says `message`.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { error: ErrorObject { message: message.into(), kind, param: None, code: None } }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn param(mut self, field: impl Into<String>) -> Self {
        self.error.param = Some(field.into());
        self
    }

    /// Adds the stable word.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.error.code = Some(code.into());
        self
    }
}

impl From<Kind> for ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Invalid | Kind::Conflict | Kind::TooLarge | Kind::Unsupported | Kind::OverBudget => {
                Self::InvalidRequestError
            }
            Kind::Unauthenticated => Self::AuthenticationError,
            Kind::Forbidden => Self::PermissionError,
            Kind::NotFound => Self::NotFoundError,
            Kind::Overloaded => Self::RateLimitError,
            Kind::NoCapacity | Kind::Unavailable | Kind::Timeout | Kind::Internal => Self::ServerError,
        }
    }
}

impl From<&Problem> for ErrorBody {
    fn from(problem: &Problem) -> Self {
        let message = match &problem.next_step {
            Some(step) => format!("{}; {step}", problem.cause),
            None => problem.cause.clone(),
        };
        Self {
            error: ErrorObject {
                message,
                kind: problem.kind.into(),
                param: problem.field.clone(),
                code: Some(problem.code.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_an_openai_error() {
        let problem = Problem::invalid("temperature is 9").next("give a number from 0 to 2").at("temperature");
        let body = serde_json::to_value(ErrorBody::from(&problem)).expect("serialises");
        assert_eq!(
            body,
            serde_json::json!({"error": {
                "message": "temperature is 9; give a number from 0 to 2",
                "type": "invalid_request_error", "param": "temperature", "code": "MCP0001"}})
        );
    }
}
