//! A JSON-RPC message as it came, before it is given to the library: which form it has, and what of it is wrong.
//!
//! The library reads messages as one of many alternatives, and can only say that none fits. Here the member at fault is
//! named. Nothing is decided about methods and revisions.

use domain::Problem;
use http::StatusCode;
use serde_json::{Map, Value};

use super::params;
use super::refusal::{PARSE_ERROR, Refusal};
use crate::contract::canonical::integral;

/// Longest id, in bytes of its text.
const ID_BYTES_MAX: usize = 1_024;
/// Longest name of a method, in bytes.
const METHOD_BYTES_MAX: usize = 256;

/// A request, or a notification when it has no id.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::server) struct Message {
    pub id: Option<Value>,
    pub method: String,
    pub params: Map<String, Value>,
}

impl Message {
    /// Reads a body. `null` params count as none, and numbers without a fraction as integers.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut value: Value = serde_json::from_slice(body).map_err(|error| {
            let problem = Problem::invalid(format!("the body is not JSON: {error}")).next("send JSON in UTF-8");
            Refusal::new(StatusCode::BAD_REQUEST, PARSE_ERROR, problem)
        })?;
        let Value::Object(members) = &mut value else {
            let cause = if value.is_array() { "batches are not served" } else { "the body is no object" };
            let problem = Problem::invalid(cause).next("send one JSON-RPC 2.0 request or notification");
            return Err(Refusal::http(StatusCode::BAD_REQUEST, problem));
        };
        let id = members.remove("id").map(read_id).transpose()?;
        Self::read(members, id.clone()).map_err(|refusal| refusal.answering(id.as_ref()))
    }

    fn read(members: &mut Map<String, Value>, id: Option<Value>) -> Result<Self, Refusal> {
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Refusal::not_a_message("jsonrpc must be \"2.0\"", "jsonrpc"));
        }
        for answer in ["result", "error"] {
            if members.contains_key(answer) {
                return Err(Refusal::not_a_message(
                    "this server asks its clients nothing, so it takes no answers",
                    answer,
                ));
            }
        }
        let method = match members.remove("method") {
            Some(Value::String(method)) if method.len() <= METHOD_BYTES_MAX => method,
            Some(Value::String(_)) => return Err(Refusal::not_a_message("the method's name is too long", "method")),
            Some(_) => return Err(Refusal::not_a_message("method must be a string", "method")),
            None => return Err(Refusal::not_a_message("the member method is missing", "method")),
        };
        if id.is_none() && !method.starts_with("notifications/") {
            return Err(Refusal::not_a_message("a request needs an id", "id"));
        }
        let params = match members.remove("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(other) => return Err(params::wrong(&format!("an object, not {}", kind_of(&other)), "params")),
        };
        Ok(Self { id, method, params })
    }

    /// The message as it is handed on.
    pub fn to_value(&self) -> Value {
        let mut members = Map::new();
        members.insert("jsonrpc".to_owned(), "2.0".into());
        members.extend(self.id.clone().map(|id| ("id".to_owned(), id)));
        members.insert("method".to_owned(), self.method.as_str().into());
        if !self.params.is_empty() {
            members.insert("params".to_owned(), Value::Object(self.params.clone()));
        }
        Value::Object(members)
    }
}

/// An id is a string or an integer.
fn read_id(id: Value) -> Result<Value, Refusal> {
    let id = integral(id);
    match &id {
        Value::String(text) if text.len() <= ID_BYTES_MAX => Ok(id),
        Value::Number(number) if number.is_i64() => Ok(id),
        Value::String(_) => Err(Refusal::not_a_message(format!("id has more than {ID_BYTES_MAX} bytes"), "id")),
        Value::Number(_) => Err(Refusal::not_a_message("id must be an integer of at most 64 bits, or a string", "id")),
        other => {
            Err(Refusal::not_a_message(format!("id must be a string or an integer, not {}", kind_of(other)), "id"))
        }
    }
}

/// What a value is, with its article.
pub(super) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (i32, Option<String>, Option<Value>) {
        let refusal = Message::parse(body.as_bytes()).expect_err(body);
        (refusal.code, refusal.problem.field.clone(), refusal.id.clone())
    }

    #[test]
    fn each_member_at_fault_is_named() {
        let request = |more: &str| format!(r#"{{"jsonrpc":"2.0",{more}}}"#);
        let cases = [
            (String::new(), -32_700, None),
            ("{".to_owned(), -32_700, None),
            ("\u{feff}{}".to_owned(), -32_700, None),
            ("[".repeat(200_000), -32_700, None),
            (request(r#""id":1e999,"method":"ping""#), -32_700, None),
            ("[]".to_owned(), -32_600, None),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#.to_owned(), -32_600, None),
            ("7".to_owned(), -32_600, None),
            (r#"{"id":1,"method":"ping"}"#.to_owned(), -32_600, Some("jsonrpc")),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#.to_owned(), -32_600, Some("jsonrpc")),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#.to_owned(), -32_600, Some("jsonrpc")),
            (request(r#""id":null,"method":"ping""#), -32_600, Some("id")),
            (request(r#""id":1.5,"method":"ping""#), -32_600, Some("id")),
            (request(r#""id":18446744073709551615,"method":"ping""#), -32_600, Some("id")),
            (request(r#""id":{},"method":"ping""#), -32_600, Some("id")),
            (request(r#""method":"ping""#), -32_600, Some("id")),
            (request(r#""id":1"#), -32_600, Some("method")),
            (request(r#""id":1,"method":7"#), -32_600, Some("method")),
            (request(r#""id":1,"result":{}"#), -32_600, Some("result")),
            (request(r#""id":1,"method":"ping","error":{}"#), -32_600, Some("error")),
            (request(r#""id":1,"method":"ping","params":[]"#), -32_602, Some("params")),
            (request(r#""id":1,"method":"ping","params":"x""#), -32_602, Some("params")),
        ];
        for (body, code, field) in cases {
            let (found, at, _) = refused(&body);
            assert_eq!((found, at.as_deref()), (code, field), "{:.80}", body);
        }
        assert_eq!(refused(&request(r#""id":"a","method":7"#)).2, Some("a".into()), "the id is known by then");
    }

    #[test]
    fn an_integer_may_be_written_with_a_point_and_null_params_are_none() {
        let message =
            Message::parse(br#"{"jsonrpc":"2.0","id":3.0,"method":"tools/list","params":null}"#).expect("good");
        assert_eq!((message.id, message.params), (Some(3.into()), Map::new()));
        let noted = Message::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).expect("good");
        assert_eq!(noted.id, None);
    }
}
