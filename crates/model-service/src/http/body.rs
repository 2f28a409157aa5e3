//! Reads a JSON body within a limit.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use domain::{Kind, Problem};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The largest body.
pub const LARGEST_BYTES: usize = 32 * 1024 * 1024;
/// How much more is read and thrown away, so that a client that is still sending gets to read the refusal.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;

/// A body that parsed as `T`. Unknown fields, wrong types and trailing text are errors.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body()).await?;
        parse(&bytes).map(Self).map_err(ApiError::from)
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    let mut total = 0usize;
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| Problem::invalid(format!("the body broke off: {error}")))?;
        total = total.saturating_add(part.len());
        if total <= LARGEST_BYTES {
            read.extend_from_slice(&part);
        } else {
            read.clear();
            if total > LARGEST_BYTES + DISCARD_BYTES {
                break;
            }
        }
    }
    if total > LARGEST_BYTES {
        let cause = format!("the body is larger than {LARGEST_BYTES} bytes");
        return Err(Problem::new(Kind::TooLarge, cause).next("send less").into());
    }
    Ok(read.freeze())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let kind = if error.is_data() { "the body does not fit" } else { "the body is no JSON" };
        let problem = Problem::invalid(format!("{kind}: {text}")).next("check the field names and types");
        match quoted(&text) {
            Some(field) if error.is_data() => problem.at(field),
            _ => problem,
        }
    })
}

/// The field that serde names in backticks: "unknown field `x`", "missing field `y`".
fn quoted(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('`')?;
    before.ends_with("field ").then(|| rest.split('`').next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        #[serde(rename = "x")]
        _x: i32,
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let field = |text: &str| parse::<Point>(text.as_bytes()).expect_err(text).field;
        assert_eq!(field(r#"{"x":1,"y":2}"#).as_deref(), Some("y"));
        assert_eq!(field("{}").as_deref(), Some("x"));
        assert_eq!(field(r#"{"x":"a"}"#), None);
        assert_eq!(field("{"), None);
        assert!(parse::<Point>(br#"{"x":1} z"#).is_err());
    }
}
