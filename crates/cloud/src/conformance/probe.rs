//! Requests as other people's clients write them, by hand.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::Target;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Fails a check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($found:tt)+) => {
        if !$condition {
            return Err(format!($($found)+));
        }
    };
}
pub(super) use ensure;

/// Sends requests to the target.
pub(super) struct Probe {
    pub target: Target,
    pub http: reqwest::Client,
}

/// An answer with its status.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Value,
    pub has_session: bool,
}

impl Probe {
    pub fn new(target: &Target) -> Result<Self, String> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().map_err(|e| e.to_string())?;
        Ok(Self { target: target.clone(), http })
    }

    /// A POST with a good token and the headers of every request.
    pub fn post(&self, token: &str) -> RequestBuilder {
        let accept = "application/json, text/event-stream";
        self.http.post(&self.target.url).bearer_auth(token).header("accept", accept)
    }

    /// A request of protocol 2026-07-28, with the headers that belong to it.
    pub fn modern(&self, token: &str, method: &str, mut params: Value) -> RequestBuilder {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut builder = self.post(token).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            builder = builder.header("mcp-name", name);
        }
        if let Some(region) = params["arguments"]["region"].as_str() {
            builder = builder.header("mcp-param-region", region);
        }
        builder.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }

    /// The tools that an operator is shown.
    pub async fn listed(&self) -> Result<Vec<String>, String> {
        let found = result(answer(self.modern(&self.target.operator_token, "tools/list", json!({}))).await?)?;
        let tools = found["tools"].as_array().cloned().unwrap_or_default();
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
    }

    /// The result of a call of a tool in protocol 2026-07-28, as an operator.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        self.call_as(&self.target.operator_token, tool, arguments).await
    }

    /// The result of a call of a tool in protocol 2026-07-28.
    pub async fn call_as(&self, token: &str, tool: &str, arguments: Value) -> Result<Value, String> {
        let params = json!({ "name": tool, "arguments": arguments });
        result(answer(self.modern(token, "tools/call", params)).await?)
    }
}

/// Sends a request, and reads its answer as JSON (null when it is none).
pub(super) async fn answer(request: RequestBuilder) -> Result<Answer, String> {
    let response: Response = request.send().await.map_err(|e| format!("no answer: {e}"))?;
    let status = response.status();
    let has_session = response.headers().contains_key("mcp-session-id");
    let body = response.bytes().await.map_err(|e| format!("half an answer: {e}"))?;
    Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default(), has_session })
}

/// The result in an answer.
pub(super) fn result(mut answer: Answer) -> Result<Value, String> {
    ensure!(answer.status == StatusCode::OK, "HTTP {}: {}", answer.status, answer.body);
    ensure!(answer.body.get("result").is_some(), "no result: {}", answer.body);
    Ok(answer.body["result"].take())
}
