//! Who may ask: on every path before anything else, the credential that a request shows.
//!
//! A service is meant for the gateway, the control plane and the cloud that started it. Each of them has a credential, and
//! the service is told only the SHA-256 digests of these, in a file that nobody else can read. Without such a file, as
//! when somebody starts the service by hand, everybody on the machine is served.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::{Digest, Kind, Problem};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::ApiError;
use super::{Service, health};

/// Most bytes of the file of digests.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Longest credential that is looked at, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 1_024;

/// Who may ask.
#[derive(Debug)]
pub struct Guard {
    /// Digests of the credentials; nothing when everybody may ask.
    callers: Option<Vec<Digest>>,
}

impl Guard {
    /// Reads the file of digests, one `sha256:` or bare digest a line.
    pub fn read(callers: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = callers else {
            tracing::warn!("no --callers: everybody who reaches this port is served");
            return Ok(Self { callers: None });
        };
        let text = files::read_private(path, FILE_BYTES_MAX)?
            .with_context(|| format!("the file of callers {} is not there", path.display()))?;
        let digests = parse(&text).with_context(|| format!("in the file of callers {}", path.display()))?;
        Ok(Self { callers: Some(digests) })
    }

    /// Whether a request shows the credential of a caller. All digests are compared, each in constant time.
    fn is_caller(&self, headers: &HeaderMap) -> bool {
        let Some(callers) = &self.callers else { return true };
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
        let Some((scheme, credential)) = shown.filter(|(_, credential)| credential.len() <= CREDENTIAL_BYTES_MAX)
        else {
            return false;
        };
        let digest = Digest::from_sha256(&Sha256::digest(credential).into());
        let is_it = |caller: &Digest| caller.as_str().as_bytes().ct_eq(digest.as_str().as_bytes());
        let found = callers.iter().fold(subtle::Choice::from(0), |found, caller| found | is_it(caller));
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(found)
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<Digest>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // The line itself is not shown: what is no digest may be a credential.
    let digests = lines.map(|line| line.parse().map_err(|_| anyhow::anyhow!("a line is not a SHA-256 digest")));
    let digests = digests.collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(!digests.is_empty(), "no digest is there");
    Ok(digests)
}

/// Lets a request pass that is from one of the service's callers. Others learn from `/health` whether it
/// serves, and nothing else.
pub async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.guard.is_caller(request.headers()) {
        return next.run(request).await;
    }
    if request.uri().path() == "/health" && matches!(*request.method(), Method::GET | Method::HEAD) {
        let (code, Json(bare)) = health::bare(&service);
        return (code, Json(bare)).into_response();
    }
    let problem = Problem::new(Kind::Unauthenticated, "this service takes requests from its gateway only")
        .next("send the request to the gateway");
    let mut refused = ApiError::from(problem).into_response();
    refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn a_caller_shows_a_credential_whose_digest_is_known() {
        let digest = |text: &str| Digest::from_sha256(&Sha256::digest(text).into());
        let known = Guard { callers: Some(vec![digest("one"), digest("other")]) };
        for (shown, wanted) in [
            ("Bearer one", true),
            ("bearer other", true),
            ("Bearer  one", false),
            ("Bearer on", false),
            ("Bearer", false),
            ("Basic one", false),
            ("one", false),
            ("", false),
        ] {
            assert_eq!(known.is_caller(&headers(header::AUTHORIZATION, &[shown])), wanted, "{shown:?}");
        }
        assert!(!known.is_caller(&HeaderMap::new()));
        assert!(Guard { callers: None }.is_caller(&HeaderMap::new()), "without a file everybody is served");
    }

    #[test]
    fn a_file_of_callers_that_cannot_be_meant_is_refused() {
        let line = "0".repeat(64);
        assert_eq!(parse(&format!("{line}\n\nsha256:{line}\n")).expect("two").len(), 2);
        for wrong in ["", "\n\n", "secret", "sha256:12"] {
            let error = parse(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("secret"), "what is no digest may be a credential: {error}");
        }
    }
}
