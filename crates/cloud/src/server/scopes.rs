//! What a caller's token must allow for a call: refused with HTTP 403 and a challenge that names the scope that would do, so
//! that the client can ask its authorization server for it (RFC 6750, section 3.1).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::auth::{Gate, Principal};
use super::entrance::Message;
use super::pipeline::Pipeline;
use super::roles;
use crate::contract::find;

/// What the check needs to know.
pub(super) struct Scopes {
    pub gate: Arc<Gate>,
    pub pipeline: Arc<Pipeline>,
}

/// Lets a call pass whose tool the caller may call. Everything that is no call of a known tool passes.
pub(super) async fn check(State(scopes): State<Arc<Scopes>>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (message, principal) = (extensions.get::<Arc<Message>>().cloned(), extensions.get::<Principal>().cloned());
    let called = message.filter(|message| message.method == "tools/call" && message.id.is_some());
    if let (Some(message), Some(principal)) = (called, principal)
        && let Some(tool) = message.params.get("name").and_then(Value::as_str).and_then(find)
    {
        let arguments = || message.params.get("arguments").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        if let Err(problem) = scopes.pipeline.authorise(&principal, tool, arguments).await {
            let refusal = scopes.gate.insufficient(roles::needed(tool), problem).answering(message.id.as_ref());
            return refusal.into_response();
        }
    }
    next.run(request).await
}
