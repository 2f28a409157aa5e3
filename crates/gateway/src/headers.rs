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
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "content-length"
            | "host"
            | "expect"
    ) || name.starts_with("proxy-")
}

/// Says who the caller is, where he comes from or what he meant, as a proxy in front would say it. Replicas may believe
/// such headers, so that a caller must not be able to set them; the gateway's own are among them.
fn is_claim(name: &str) -> bool {
    const PREFIXES: [&str; 8] =
        ["x-forwarded", "x-real-", "x-mcp-", "x-original-", "x-client-", "x-cluster-", "x-envoy-", "x-rewrite-"];
    match name.as_bytes().first() {
        Some(b'x') => name == "x-http-method-override" || PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
        Some(b's') => name.starts_with("sec-"),
        _ => matches!(
            name,
            "forwarded"
                | "via"
                | "true-client-ip"
                | "cf-connecting-ip"
                | "client-ip"
                | "origin"
                | "referer"
                | "cookie"
                | "cookie2"
        ),
    }
}

/// Says how a body is written. The gateway has decoded the one that came, and reads the one that comes back.
fn is_of_the_body(name: &str) -> bool {
    matches!(
        name,
        "content-type" | "content-encoding" | "accept-encoding" | "content-md5" | "digest" | "content-digest"
    )
}

/// What the client sent, without its credentials, its cookies, its claims and what concerned its connection.
pub(crate) fn outgoing_headers(head: &Head) -> HeaderMap {
    let mut passed = HeaderMap::with_capacity(head.headers.len() + 2);
    let has_options = has_connection_options(&head.headers);
    for (name, value) in &head.headers {
        let text = name.as_str();
        let ends_here = is_hop_by_hop(text)
            || CREDENTIAL_HEADERS.contains(&text)
            || is_claim(text)
            || is_of_the_body(text)
            || (has_options && is_connection_option(&head.headers, text));
        if !ends_here {
            passed.append(name.clone(), value.clone());
        }
    }
    // Whatever the client called it, it has been read as JSON.
    passed.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    passed
}

/// What the replica answered, without what concerned its connection, and without what it may not decide: cookies, which
/// pages may read the answer, and what the gateway says of itself.
pub(crate) fn returned_headers(mut headers: HeaderMap) -> HeaderMap {
    let has_options = has_connection_options(&headers);
    let ends_here = |name: &str| {
        is_hop_by_hop(name)
            || matches!(
                name,
                "set-cookie" | "set-cookie2" | "clear-site-data" | "strict-transport-security" | "alt-svc" | "refresh"
            )
            || name.starts_with("access-control-")
            || name.starts_with("x-mcp-")
            || (has_options && is_connection_option(&headers, name))
    };
    let named: Vec<HeaderName> = headers.keys().filter(|name| ends_here(name.as_str())).cloned().collect();
    for name in named {
        headers.remove(name);
    }
    headers
}

/// Whether some `connection` header names more than `close` or `keep-alive`.
fn has_connection_options(headers: &HeaderMap) -> bool {
    let is_plain = |value: &HeaderValue| {
        value.as_bytes().eq_ignore_ascii_case(b"keep-alive") || value.as_bytes().eq_ignore_ascii_case(b"close")
    };
    !headers.get_all(header::CONNECTION).iter().all(is_plain)
}

/// Whether any of the `connection` headers names this one: there may be several, and each may name several.
fn is_connection_option(headers: &HeaderMap, name: &str) -> bool {
    let options = headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn credentials_claims_and_connection_matters_end_here() {
        let mut request = Request::builder();
        for (name, value) in [
            ("authorization", "Bearer sk-secret"),
            ("x-api-key", "sk-secret"),
            ("cookie", "a=b"),
            ("connection", "close, X-Private"),
            ("connection", "x-second ,X-Third"),
            ("x-private", "1"),
            ("x-second", "1"),
            ("x-third", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-anything", "1"),
            ("expect", "100-continue"),
            ("x-forwarded-for", "127.0.0.1"),
            ("X-Forwarded-Host", "x"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("X-MCP-Replica", "r1"),
            ("x-mcp-anything", "1"),
            ("content-encoding", "gzip"),
            ("accept-encoding", "br"),
            ("origin", "https://evil.example"),
            ("content-type", "text/plain"),
            ("traceparent", "00-1-2-01"),
            ("x-unknown", "passes"),
        ] {
            request = request.header(name, value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let passed = outgoing_headers(&head);
        assert_eq!(names(&passed), ["content-type", "traceparent", "x-unknown"]);
        assert_eq!(passed["content-type"], "application/json");
    }

    #[test]
    fn a_replica_sets_no_cookies_and_lets_no_page_in() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("connection", "keep-alive"),
            ("connection", "x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("x-mcp-replica", "another"),
            ("proxy-authenticate", "Basic"),
            ("x-detail", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(names(&returned_headers(headers)), ["content-type", "x-detail"]);
    }
}
