//! Which pages in browsers may read answers (the CORS protocol of the Fetch standard). Off unless origins are configured.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// What the official clients send when a page asks for leave to name nothing.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-api-key");
/// Headers of answers that a page may read, beyond those that it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-mcp-replica, x-mcp-prompt-tokens, x-mcp-context-dropped, x-should-retry, retry-after, www-authenticate",
);
/// For how long a browser may remember what it was told.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");
/// A page of a public site asks for leave to call a machine of a private network (Private Network Access).
const REQUEST_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// Whether a browser would ever send this as an origin: scheme, host, and a port unless it is the scheme's own.
pub(crate) fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    text == "*"
        || (uri.scheme().is_some()
            && uri.host().is_some()
            && uri.path() == "/"
            && !text.ends_with('/')
            && !text.contains(['@', '?', '#']))
}

/// The headers that let the page read the answer; none when CORS is off. An answer says that it depends on the origin even
/// when that is not allowed, so that no cache gives one page the answer to another.
pub(crate) fn allow(origins: &[String], method: &Method, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if origins.is_empty() {
        return headers;
    }
    let is_preflight = is_preflight(method, request);
    headers.insert(VARY, if is_preflight { VARY_PREFLIGHT } else { HeaderValue::from_static("origin") });
    let Some(origin) = request.get(ORIGIN).filter(|origin| is_allowed(origins, origin)) else { return headers };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if !is_preflight {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        return headers;
    }
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
    if request.contains_key(REQUEST_PRIVATE) {
        headers.insert(ALLOW_PRIVATE, HeaderValue::from_static("true"));
    }
    headers
}

/// Whether a browser asks for leave, before a page's own request.
fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
    *method == Method::OPTIONS && request.contains_key(ORIGIN) && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_allowed(origins: &[String], origin: &HeaderValue) -> bool {
    origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_named_origins_are_let_in() {
        let page = request(&[("origin", "https://console.example")]);
        assert!(allow(&[], &Method::POST, &page).is_empty());
        let named = ["https://console.example".to_owned(), "http://localhost:3000".to_owned()];
        let headers = allow(&named, &Method::POST, &page);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://console.example");
        assert_eq!(headers[VARY], "origin");
        assert!(headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
        for other in ["https://console.example.evil", "http://console.example", "https://console.example:444", "null"] {
            let headers = allow(&named, &Method::POST, &request(&[("origin", other)]));
            assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["vary"], "{other}");
        }
        let all = ["*".to_owned()];
        assert_eq!(allow(&all, &Method::GET, &page)[ACCESS_CONTROL_ALLOW_ORIGIN], "https://console.example");
    }

    #[test]
    fn a_preflight_is_told_what_the_page_may_send() {
        let named = ["https://console.example".to_owned()];
        let asking = request(&[
            ("origin", "https://console.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,x-stainless-lang"),
            ("access-control-request-private-network", "true"),
        ]);
        let headers = allow(&named, &Method::OPTIONS, &asking);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "authorization,x-stainless-lang");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, POST, OPTIONS");
        assert_eq!(headers[ALLOW_PRIVATE], "true");
        assert!(allow(&[], &Method::OPTIONS, &asking).is_empty());
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in ["https://a.example", "http://localhost:3000", "http://[::1]:8080", "*"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in
            ["a.example", "https://a.example/", "https://a.example/x", "", "https://", "https://u@a.example", "null"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
