//! One request and its answer on the wire: JSON-RPC over Streamable HTTP, protocol 2026-07-28.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::Problem;
use domain::text::{PROBLEM_MAX_CHARS, printable};
use futures_util::StreamExt as _;
use http::StatusCode;
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::CallError;
use crate::contract::find;

/// The protocol revision that is spoken.
pub(crate) const PROTOCOL: &str = "2026-07-28";
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The JSON-RPC code for a request that names an unknown tool, or is not of its form.
const INVALID_PARAMS: i64 = -32_602;

/// A tool as a server lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its arguments.
    pub input_schema: Value,
    /// JSON Schema of its result.
    #[serde(default)]
    pub output_schema: Value,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Value,
}

/// What is asked.
pub(super) struct Request<'a> {
    pub method: &'static str,
    pub tool: Option<&'a str>,
    pub params: Value,
}

/// How far a request came that has no result.
pub(super) enum Reached {
    /// No token was to be had.
    NoToken(Problem),
    /// It was not answered; another attempt may be.
    Not(String),
    /// The token was refused.
    Unauthenticated,
    /// It was answered: the request is not valid, or not this caller's to make.
    Refused(Box<Problem>),
    /// It was answered, and not as it should be.
    Wrong(String),
}

impl Reached {
    pub fn into_error(self, cloud: &str) -> CallError {
        let cloud = cloud.to_owned();
        match self {
            Self::NoToken(problem) => CallError::Refused { problem: Box::new(problem), operation: None },
            Self::Not(cause) => CallError::Unreachable { cloud, cause },
            Self::Unauthenticated => CallError::Unauthenticated { cloud },
            Self::Refused(problem) => CallError::Refused { problem, operation: None },
            Self::Wrong(cause) => CallError::Protocol { cloud, cause },
        }
    }
}

/// Sends one request, and returns its result.
pub(super) async fn send(
    http: &reqwest::Client,
    url: &str,
    token: &str,
    id: u64,
    request: &Request<'_>,
) -> Result<Value, Reached> {
    let mut params = request.params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "mcp", "version": env!("CARGO_PKG_VERSION") },
    });
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": request.method, "params": params });
    let builder = http
        .post(url)
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL)
        .header("mcp-method", request.method);
    let response = mirror(builder, request).json(&body).send().await.map_err(|e| Reached::Not(chain(&e)))?;
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        return Err(Reached::Unauthenticated);
    }
    let content = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let streams = content.starts_with("text/event-stream");
    let body = read_bounded(response).await?;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Reached::Not(format!("HTTP {status}")));
    }
    let answer = if streams { last_event(&body, id) } else { serde_json::from_slice(&body).ok() };
    let Some(mut answer) = answer else {
        return Err(Reached::Wrong(format!("HTTP {status} without a JSON-RPC answer")));
    };
    if let Some(error) = answer.get("error") {
        if error["code"] == INVALID_PARAMS || status == StatusCode::FORBIDDEN {
            return Err(Reached::Refused(Box::new(problem_in(error))));
        }
        return Err(Reached::Wrong(format!("HTTP {status}: {error}")));
    }
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(Reached::Wrong(format!("HTTP {status} with neither result nor error"))),
    }
}

/// The problem that an error carries, or one that says what it says.
fn problem_in(error: &Value) -> Problem {
    serde_json::from_value(error["data"].clone()).unwrap_or_else(|_| {
        let cause = error["message"].as_str().unwrap_or("the request is not valid");
        Problem::invalid(printable(cause, PROBLEM_MAX_CHARS)).next("see which tools the cloud has")
    })
}

/// Adds the headers that repeat parts of the body: the tool's name, and arguments that its schema marks for it.
fn mirror(mut builder: RequestBuilder, request: &Request<'_>) -> RequestBuilder {
    let Some(tool) = request.tool else { return builder };
    builder = builder.header("mcp-name", header_value(tool));
    let properties = find(tool).and_then(|spec| spec.input_schema.get("properties")).and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let header = schema.get("x-mcp-header").and_then(Value::as_str);
        let value = request.params["arguments"].get(name).and_then(primitive_text);
        if let (Some(header), Some(value)) = (header, value) {
            builder = builder.header(format!("mcp-param-{header}"), header_value(&value));
        }
    }
    builder
}

/// A value as it stands in a header: text, number or truth value. Also one of the wrong type, which the tool then refuses
/// by its name.
fn primitive_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A header value as the specification encodes it: plain where it can be, else Base64 in `=?base64?…?=`.
fn header_value(text: &str) -> String {
    let plain =
        text.bytes().all(|b| (0x20..=0x7e).contains(&b)) && text.trim() == text && !text.starts_with("=?base64?");
    if plain { text.to_owned() } else { format!("=?base64?{}?=", BASE64_STANDARD.encode(text)) }
}

async fn read_bounded(response: reqwest::Response) -> Result<Vec<u8>, Reached> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|e| Reached::Not(chain(&e)))?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Reached::Wrong(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")));
        }
    }
    Ok(body)
}

/// The answer to request `id` among server-sent events; a server may send notifications before it.
fn last_event(body: &[u8], id: u64) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?.replace("\r\n", "\n");
    let events = text.split("\n\n").map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    });
    events.filter_map(|data| serde_json::from_str::<Value>(&data).ok()).find(|message| message["id"] == json!(id))
}

/// An error with its causes: the outermost says little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_events() {
        let body = b": hi\n\ndata: {\"method\":\"notifications/message\"}\n\nevent: message\r\ndata: {\"id\":7,\ndata: \"result\":1}\n\n";
        assert_eq!(last_event(body, 7).expect("there")["result"], 1);
        assert_eq!(last_event(body, 8), None);
    }

    #[test]
    fn header_values_survive() {
        assert_eq!(header_value("us-east"), "us-east");
        assert_eq!(header_value("zürich"), "=?base64?esO8cmljaA==?=");
        assert_eq!(header_value(" x"), "=?base64?IHg=?=");
        assert_eq!(header_value("a\r\nb"), "=?base64?YQ0KYg==?=");
    }
}
