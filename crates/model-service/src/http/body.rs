//! Reads a JSON body within a limit of its own and one of all bodies together, and parses it apart.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use domain::{Kind, Problem};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Service;
use super::error::ApiError;
use super::work::QUICK_BYTES;

/// The largest body.
pub const LARGEST_BYTES: usize = 32 * 1024 * 1024;
/// What bodies take of the common room at once.
pub const UNIT_BYTES: usize = 64 * 1024;
/// The common room, in such units: 256 MiB.
pub const ROOM_UNITS: usize = 4_096;
/// How much more is read and thrown away, so that a client that is still sending gets to read the refusal.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;

/// A body that parsed as `T`. Unknown fields, wrong types and trailing text are errors.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<Arc<Service>> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, ApiError> {
        let mut room = Room { bodies: Arc::clone(&service.bodies), held: Vec::new(), bytes: 0 };
        let bytes = read(request.into_body(), &mut room).await?;
        if bytes.len() <= QUICK_BYTES {
            return parse(&bytes).map(Self).map_err(ApiError::from);
        }
        let parsed = service.apart("the body", bytes.len(), move || {
            let parsed = parse(&bytes);
            // The room is given back once the text is gone.
            drop((bytes, room));
            parsed
        });
        parsed.await?.map(Self).map_err(ApiError::from)
    }
}

/// A body's share of the memory that all bodies may take together.
struct Room {
    bodies: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Room {
    /// Takes room for `bytes` more.
    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        let units = self.bytes.div_ceil(UNIT_BYTES).saturating_sub(self.held.len());
        for _ in 0..units {
            let permit = Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| {
                Problem::new(Kind::Overloaded, "too many large requests are being read")
                    .next("try again later")
                    .retry_after_ms(1_000)
            })?;
            self.held.push(permit);
        }
        Ok(())
    }
}

async fn read(body: Body, room: &mut Room) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    let mut total = 0usize;
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| Problem::invalid(format!("the body broke off: {error}")))?;
        total = total.saturating_add(part.len());
        if total <= LARGEST_BYTES {
            room.take(part.len())?;
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
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        (Some(path).filter(|path| path != "." && !path.contains('?')), error.into_inner())
    });
    let read = read.and_then(|value| json.end().map(|()| value).map_err(|error| (None, error)));
    read.map_err(|(path, error)| {
        let text = error.to_string();
        let kind = if error.is_data() { "the body does not fit" } else { "the body is no JSON" };
        let problem = Problem::invalid(format!("{kind}: {text}")).next("check the field names and types");
        match quoted(&text).map(str::to_owned).or(path) {
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
        assert_eq!(field(r#"{"x":"a"}"#).as_deref(), Some("x"));
        assert_eq!(field("{"), None);
        assert!(parse::<Point>(br#"{"x":1} z"#).is_err());
        let field = |text: &str| parse::<llm::openai::ChatRequest>(text.as_bytes()).expect_err(text).field;
        assert_eq!(field(r#"{"model":"m","messages":[],"stop":[null]}"#).as_deref(), Some("stop[0]"));
        assert_eq!(field(r#"{"model":"m","messages":[["user","Hi"]]}"#).as_deref(), Some("messages[0]"));
    }
}
