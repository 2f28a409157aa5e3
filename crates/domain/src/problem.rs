//! What went wrong, for whoever must act on it: one shape in the REST API, the tool contract, the gateway and the CLI.
//!
//! Each kind has a stable code (`MCP0003`), a cause, and a next step. Modules keep small error enums of their own and
//! turn them into a [`Problem`] where they meet the outside.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::{PROBLEM_MAX_CHARS, printable};

/// The ways in which a request can fail, with stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The input does not parse, or breaks a rule.
    Invalid,
    /// No valid credential came with the request.
    Unauthenticated,
    /// The caller is known, and may not do this.
    Forbidden,
    /// The thing named does not exist.
    NotFound,
    /// The thing exists already, or has changed since it was read.
    Conflict,
    /// The request is larger than the limit.
    TooLarge,
    /// Too many requests or too much work waiting: try again later.
    Overloaded,
    /// No place satisfies the constraints, or quota or capacity is used up.
    NoCapacity,
    /// This implementation cannot do it; the cause says why.
    Unsupported,
    /// A service that is needed does not answer.
    Unavailable,
    /// It took longer than allowed; whether it took effect may be unknown.
    Timeout,
    /// A fault of ours.
    Internal,
    /// It would cost more than the caller allows.
    OverBudget,
}

impl Kind {
    /// Every kind, in the order of the codes.
    pub const ALL: [Self; 13] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::Overloaded,
        Self::NoCapacity,
        Self::Unsupported,
        Self::Unavailable,
        Self::Timeout,
        Self::Internal,
        Self::OverBudget,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "MCP0001",
            Self::Unauthenticated => "MCP0002",
            Self::Forbidden => "MCP0003",
            Self::NotFound => "MCP0004",
            Self::Conflict => "MCP0005",
            Self::TooLarge => "MCP0006",
            Self::Overloaded => "MCP0007",
            Self::NoCapacity => "MCP0008",
            Self::Unsupported => "MCP0009",
            Self::Unavailable => "MCP0010",
            Self::Timeout => "MCP0011",
            Self::Internal => "MCP0012",
            Self::OverBudget => "MCP0013",
        }
    }

    /// The HTTP status that says the same.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Overloaded => 429,
            Self::NoCapacity | Self::Unavailable => 503,
            Self::Unsupported => 501,
            Self::Timeout => 504,
            Self::Internal => 500,
            Self::OverBudget => 402,
        }
    }

    /// Whether the same request may be repeated unchanged: a tool call with its idempotency token, which then takes effect
    /// at most once.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::NoCapacity | Self::Unavailable | Self::Timeout)
    }
}

/// One failure: what, why, and what to do.
///
/// Its texts may quote what a file, a cloud or a caller said. They are made printable and cut when it is made and when
/// it is read from the wire, so that every log, terminal and model may show them as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{cause}")]
pub struct Problem {
    /// The kind, which fixes code and status.
    pub kind: Kind,
    /// The kind's stable code, repeated for readers of the wire.
    pub code: String,
    /// The cause, in a sentence on one line; never holds a secret.
    #[serde(deserialize_with = "shown")]
    pub cause: String,
    /// What to do about it.
    #[serde(default, deserialize_with = "shown_if_any", skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// The input field at fault, as a dotted path.
    #[serde(default, deserialize_with = "shown_if_any", skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Milliseconds to wait before trying again, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A problem of `kind` with its cause.
    #[must_use]
    pub fn new(kind: Kind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            code: kind.code().to_owned(),
            cause: one_line(cause),
            next_step: None,
            field: None,
            retry_after_ms: None,
        }
    }

    /// The input is at fault.
    #[must_use]
    pub fn invalid(cause: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, cause)
    }

    /// The thing named does not exist.
    #[must_use]
    pub fn not_found(cause: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, cause)
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(Kind::Internal, cause)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(one_line(step));
        self
    }

    /// Names the input field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(one_line(field));
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after_ms(mut self, millis: u64) -> Self {
        self.retry_after_ms = Some(millis);
        self
    }
}

fn one_line(text: impl Into<String>) -> String {
    let text = text.into();
    match printable(&text, PROBLEM_MAX_CHARS) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(shown) => shown,
    }
}

fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(one_line)
}

fn shown_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(one_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_no_control_characters_and_is_cut() {
        let hostile = format!("x\n\x1b[2Jy\u{202e}{}", "z".repeat(1 << 20));
        let made = Problem::invalid(hostile.clone()).next(hostile.clone()).at(hostile.clone());
        let wire = serde_json::json!({ "kind": "invalid", "code": "MCP0001", "cause": hostile, "next_step": hostile,
                                       "field": hostile });
        let read: Problem = serde_json::from_value(wire).expect("it parses");
        assert_eq!(made, read);
        for text in [&made.cause, made.next_step.as_ref().expect("kept"), made.field.as_ref().expect("kept")] {
            assert!(text.starts_with(r"x\n\u{1b}[2Jy\u{202e}z"), "{text:.40}");
            assert_eq!(text.chars().count(), PROBLEM_MAX_CHARS);
        }
    }
}
