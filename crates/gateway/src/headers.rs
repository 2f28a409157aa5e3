//! Which headers pass, and which end here.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::authenticate::CREDENTIAL_HEADERS;
use crate::pipeline::Head;

/// Concerns one connection alone (RFC 9110, section 7.6.1), or is set anew for the next one.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "host"
            | "expect"
    )
}

/// What the client sent, without its credentials, its cookies and what concerned its connection. Encodings are not
/// asked for: the gateway reads what comes back.
pub(crate) fn outgoing_headers(head: &Head) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(head.headers.len() + 2);
    let named = connection_options(&head.headers);
    for (name, value) in &head.headers {
        let text = name.as_str();
        let ends_here = is_hop_by_hop(text)
            || CREDENTIAL_HEADERS.contains(&text)
            || matches!(text, "cookie" | "accept-encoding")
            || named.is_some_and(|named| lists(named, text));
        if !ends_here {
            passed.append(name.clone(), value.clone());
        }
    }
    passed.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    passed
}

/// What the replica answered, without what concerned its connection.
pub(crate) fn returned_headers(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    headers
}

/// The `connection` header, when it names more than `close` and `keep-alive`.
fn connection_options(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONNECTION)?.to_str().ok()?;
    (!value.eq_ignore_ascii_case("keep-alive") && !value.eq_ignore_ascii_case("close")).then_some(value)
}

fn lists(options: &str, name: &str) -> bool {
    options.split(',').any(|option| option.trim().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn credentials_and_connection_matters_end_here() {
        let (head, ()) = Request::builder()
            .header("authorization", "Bearer sk-secret")
            .header("x-api-key", "sk-secret")
            .header("cookie", "a=b")
            .header("connection", "close, X-Private")
            .header("x-private", "1")
            .header("te", "trailers")
            .header("traceparent", "00-1-2-01")
            .header("x-unknown", "passes")
            .body(())
            .expect("a request")
            .into_parts();
        let passed = outgoing_headers(&head);
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "traceparent", "x-unknown"]);
    }
}
