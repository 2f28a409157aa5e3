//! The server as an OAuth 2.1 protected resource: bearer tokens in, challenges out (RFC 6750, RFC 9728).

use std::sync::Arc;

use access::token::Verifier;
use axum::extract::Request;
use domain::{Clock, Kind, Problem};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::entrance::Refusal;
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
    /// Who issues tokens, beside the control plane's own key.
    pub authorization_servers: Vec<String>,
    pub clock: Arc<dyn Clock>,
}

impl Gate {
    /// Lets a request pass that shows a valid token for this server, and adds its [`Principal`].
    pub fn authenticate(&self, request: &mut Request) -> Result<(), Refusal> {
        let Some(token) = bearer(request.headers()) else {
            let problem = Problem::new(Kind::Unauthenticated, "no bearer token came with the request")
                .next("send 'Authorization: Bearer <token>' with a token for this server");
            return Err(self.challenge("", problem));
        };
        match self.verifier.verify(token, &self.audience, self.clock.now()) {
            Ok(claims) => {
                request.extensions_mut().insert(Principal { roles: claims.all_roles(), name: claims.sub });
                Ok(())
            }
            Err(error) => {
                tracing::debug!(cause = %error, "token refused");
                Err(self.challenge(", error=\"invalid_token\"", error.into()))
            }
        }
    }

    fn challenge(&self, error: &str, problem: Problem) -> Refusal {
        let mut refusal = Refusal::http(StatusCode::UNAUTHORIZED, problem);
        // The least that is of use; what needs more says so when it is called.
        let (metadata, scope) = (&self.metadata_url, roles::VIEWER);
        refusal.challenge = Some(format!("Bearer resource_metadata=\"{metadata}\", scope=\"{scope}\"{error}"));
        refusal
    }

    /// The refusal of a caller who is known and whose scopes do not suffice; `scope` is the one that would.
    pub fn insufficient(&self, scope: &str, problem: Problem) -> Refusal {
        let mut refusal = Refusal::http(StatusCode::FORBIDDEN, problem);
        let metadata = &self.metadata_url;
        refusal.challenge =
            Some(format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\", resource_metadata=\"{metadata}\""));
        refusal
    }

    /// The protected resource metadata document (RFC 9728, section 2).
    pub fn resource_metadata(&self, cloud: &str) -> Value {
        let mut document = json!({
            "resource": self.audience,
            "resource_name": format!("cloud {cloud}"),
            "bearer_methods_supported": ["header"],
            "scopes_supported": [roles::VIEWER, roles::OPERATOR],
        });
        if !self.authorization_servers.is_empty() {
            document["authorization_servers"] = json!(self.authorization_servers);
        }
        document
    }
}

/// The token in the one `Authorization` header that a request may have.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (first, None) = (shown.next()?, shown.next()) else { return None };
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
