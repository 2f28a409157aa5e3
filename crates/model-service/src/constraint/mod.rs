//! Answers that must have a form: a JSON schema (`response_format`) or a grammar in GBNF (`grammar`).
//!
//! `schema` and `gbnf` look at what was sent, without the engine and without a clock; `compile` makes an automaton of it
//! on threads of its own, within bounds, through `llguidance`; `cache` keeps what was made; `matcher` walks through it,
//! token by token, within a budget a step.

pub mod cache;
pub mod compile;
pub mod gbnf;
pub mod matcher;
pub mod schema;
#[cfg(test)]
mod walks;

use domain::Problem;
use llm::openai::ResponseFormat;
use serde_json::{Value, json};

/// The longest schema, in bytes as JSON.
const LONGEST_SCHEMA_BYTES: usize = 128 * 1024;

/// The field that asks for a form, which errors name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `response_format`.
    ResponseFormat,
    /// `grammar`.
    Grammar,
}

impl Field {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResponseFormat => "response_format",
            Self::Grammar => "grammar",
        }
    }

    /// A refusal that names it.
    pub fn refuse(self, cause: impl std::fmt::Display) -> Problem {
        let (what, next) = match self {
            Self::ResponseFormat => ("the JSON schema", "use a smaller or simpler schema"),
            Self::Grammar => ("the grammar", "use a smaller or simpler grammar"),
        };
        let cause: String = cause.to_string().chars().take(600).collect();
        Problem::invalid(format!("{what} cannot be followed: {cause}")).next(next).at(self.name())
    }
}

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// JSON that this schema describes.
    Schema(Value),
    /// Text of this grammar, in GBNF.
    Grammar(String),
}

impl Form {
    /// What `response_format` and `grammar` ask for together: at most one of them may.
    pub fn of(response_format: Option<&ResponseFormat>, grammar: Option<&str>) -> Result<Option<Self>, Problem> {
        let schema = match response_format {
            None | Some(ResponseFormat::Text) => None,
            Some(ResponseFormat::JsonObject) => Some(json!({"type": "object"})),
            Some(ResponseFormat::JsonSchema { json_schema }) => Some(json_schema.schema.clone()),
        };
        match (schema, grammar) {
            (Some(_), Some(_)) => Err(Problem::invalid("both grammar and response_format are given")
                .next("give one of them")
                .at("grammar")),
            (schema, None) => Ok(schema.map(Self::Schema)),
            (None, Some(text)) => Ok(Some(Self::Grammar(text.to_owned()))),
        }
    }

    /// The field that asked for it.
    pub const fn field(&self) -> Field {
        match self {
            Self::Schema(_) => Field::ResponseFormat,
            Self::Grammar(_) => Field::Grammar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_at_most() {
        let object = ResponseFormat::JsonObject;
        assert_eq!(Form::of(None, None), Ok(None));
        assert_eq!(Form::of(Some(&ResponseFormat::Text), None), Ok(None));
        assert_eq!(Form::of(Some(&object), None), Ok(Some(Form::Schema(json!({"type": "object"})))));
        assert_eq!(Form::of(None, Some("root ::= \"a\"")), Ok(Some(Form::Grammar("root ::= \"a\"".into()))));
        assert!(Form::of(Some(&object), Some("root ::= \"a\"")).is_err());
    }

    #[test]
    fn refusals_name_the_field_and_stay_short() {
        let problem = Field::Grammar.refuse("x".repeat(9_000));
        assert_eq!(problem.field.as_deref(), Some("grammar"));
        assert!(problem.cause.len() < 700);
    }
}
