//! How requests come in: bodies and queries whose every fault is a problem with its field.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::{Kind, Problem};
use serde::de::DeserializeOwned;

use super::BODY_MAX_BYTES;
use super::answer::Failure;

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        serde_json::from_slice(&bytes).map(Body).map_err(|error| not_as_expected("the body", &error.to_string()).into())
    }
}

/// The parameters of the query.
pub(crate) struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let parsed = Query::<T>::try_from_uri(&parts.uri);
        parsed.map(|Query(value)| Self(value)).map_err(|rejection| {
            // The rejection's own text begins with a phrase that says nothing; its source says what.
            let source =
                std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), ToString::to_string);
            not_as_expected("the query", &source).into()
        })
    }
}

fn unread(rejection: &BytesRejection) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let cause = format!("the body is larger than {BODY_MAX_BYTES} bytes");
        return Problem::new(Kind::TooLarge, cause).next("send less; model files are named by path, not sent").into();
    }
    Problem::invalid("the body could not be read").next("send it again").into()
}

fn not_as_expected(what: &str, error: &str) -> Problem {
    let problem = Problem::invalid(format!("{what} is not as expected: {error}"))
        .next("see GET /openapi.json for what is expected");
    match quoted_field(error) {
        Some(field) => problem.at(field),
        None => problem,
    }
}

/// The field that a message of serde names: `` unknown field `x` ``, `` missing field `x` ``.
fn quoted_field(error: &str) -> Option<String> {
    let (_, rest) = error.split_once(" field `")?;
    let (field, _) = rest.split_once('`')?;
    Some(field.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::CreateKey;

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, field) in
            [(r#"{"name":"ci","model":2}"#, Some("model")), ("{}", Some("name")), ("{", None), (r#"{"name":7}"#, None)]
        {
            let error = serde_json::from_str::<CreateKey>(body).expect_err(body).to_string();
            let problem = not_as_expected("the body", &error);
            assert_eq!(problem.field.as_deref(), field, "{body}: {}", problem.cause);
        }
    }
}
