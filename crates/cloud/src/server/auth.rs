//! The server as an OAuth 2.1 protected resource: bearer tokens in, challenges out (RFC 6750, RFC 9728).

use std::sync::Arc;

use access::token::Verifier;
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{Clock, Kind, Problem};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::roles;

/// Who called, as its token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's subject.
    pub name: String,
    /// The token's roles.
    pub roles: Vec<String>,
}

/// What authentication needs to know.
pub(super) struct Gate {
    pub verifier: Verifier,
    /// The server's own URL: the only audience it accepts.
    pub audience: String,
    pub metadata_url: String,
    pub clock: Arc<dyn Clock>,
}

/// Lets a request pass that shows a valid token for this server, and adds its [`Principal`].
pub(super) async fn authenticate(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = token else {
        let problem = Problem::new(Kind::Unauthenticated, "no bearer token came with the request")
            .next("send 'Authorization: Bearer <token>' with a token for this server");
        return challenge(&gate, "", problem);
    };
    match gate.verifier.verify(token, &gate.audience, gate.clock.now()) {
        Ok(claims) => {
            request.extensions_mut().insert(Principal { name: claims.sub, roles: claims.roles });
            next.run(request).await
        }
        Err(error) => {
            tracing::info!(cause = %error, "token refused");
            challenge(&gate, ", error=\"invalid_token\"", error.into())
        }
    }
}

fn challenge(gate: &Gate, error: &str, problem: Problem) -> Response {
    let challenge = format!("Bearer resource_metadata=\"{}\", scope=\"{}\"{error}", gate.metadata_url, roles::OPERATOR);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], Json(json!({ "error": problem })))
        .into_response()
}

/// The protected resource metadata document (RFC 9728, section 2). Tokens come from the control plane's own key, so it
/// names no authorization server.
pub(super) fn resource_metadata(gate: &Gate, cloud: &str) -> Value {
    json!({
        "resource": gate.audience,
        "resource_name": format!("cloud {cloud}"),
        "bearer_methods_supported": ["header"],
        "scopes_supported": [roles::VIEWER, roles::OPERATOR],
    })
}
