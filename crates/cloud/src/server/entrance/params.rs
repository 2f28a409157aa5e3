//! The `params` of a request against what its method takes; the member at fault is named.

use domain::Problem;
use domain::text::printable;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::message::kind_of;
use super::refusal::{INVALID_PARAMS, Refusal};
use crate::contract::canonical::integral;

/// Longest quotation of a fault, in characters.
const QUOTED_CHARS_MAX: usize = 300;

/// Params that are not of their form. A request that is well formed otherwise is answered with status 200.
pub(in crate::server) fn wrong(cause: &str, field: &str) -> Refusal {
    let cause = format!("{field}: {}", printable(cause, QUOTED_CHARS_MAX));
    let problem = Problem::invalid(cause).next("see the protocol's schema for the method's params").at(field);
    Refusal::new(StatusCode::OK, INVALID_PARAMS, problem)
}

/// Checks and tidies `_meta`: null is none, a progress token is a string or an integer.
pub(super) fn check_meta(params: &mut Map<String, Value>) -> Result<(), Refusal> {
    match params.get_mut("_meta") {
        None => Ok(()),
        Some(Value::Null) => {
            params.remove("_meta");
            Ok(())
        }
        Some(Value::Object(meta)) => {
            let Some(token) = meta.get_mut("progressToken") else { return Ok(()) };
            *token = integral(token.take());
            match token {
                Value::String(_) => Ok(()),
                Value::Number(number) if number.is_i64() => Ok(()),
                other => {
                    let found = format!("expected a string or an integer, not {}", kind_of(other));
                    Err(wrong(&found, "params._meta.progressToken"))
                }
            }
        }
        Some(other) => Err(wrong(&format!("expected an object, not {}", kind_of(other)), "params._meta")),
    }
}

/// Checks that params are those of type `T`.
pub(super) fn of<T: DeserializeOwned>(params: &Map<String, Value>) -> Result<(), Refusal> {
    let read = serde_path_to_error::deserialize::<_, T>(Value::Object(params.clone()));
    read.map(|_| ()).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner().to_string();
        let missing = cause.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let mut field = "params".to_owned();
        for part in [Some(path.as_str()).filter(|path| *path != "."), missing].into_iter().flatten() {
            field = format!("{field}.{part}");
        }
        wrong(&cause, &field)
    })
}

/// A method that takes no params of its own takes any.
pub(super) fn any(_: &Map<String, Value>) -> Result<(), Refusal> {
    Ok(())
}
