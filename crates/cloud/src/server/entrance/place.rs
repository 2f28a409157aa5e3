//! From where a server may be called: its own names in `Host` (against DNS rebinding), and the browser origins that its
//! operator allows. Judged before anybody is asked who they are.

use domain::{Kind, Problem};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use super::refusal::Refusal;

/// Headers that a page may send.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, accept, mcp-protocol-version, mcp-method, mcp-name, mcp-param-region, traceparent";
/// How long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: &str = "600";

/// A browser origin. `port: None` is any port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// The names and origins of a server.
#[derive(Debug, Clone)]
pub(super) struct Place {
    hosts: Vec<String>,
    origins: Vec<Origin>,
}

impl Place {
    /// `hosts` are names without a port; `origins` look like `https://console.example.com` or `http://localhost:*`.
    pub fn new(hosts: Vec<String>, origins: &[String]) -> Result<Self, Problem> {
        let origins = origins.iter().map(|text| {
            allowed(text).ok_or_else(|| {
                Problem::invalid(format!("{text:?} is no browser origin"))
                    .next("write it like https://console.example.com or http://localhost:*")
                    .at("origins")
            })
        });
        Ok(Self { hosts: hosts.iter().map(|host| bare(host)).collect(), origins: origins.collect::<Result<_, _>>()? })
    }

    /// Refuses what comes by another name or from a page elsewhere. Returns the origin when there is one.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<Option<HeaderValue>, Refusal> {
        let named: Vec<&HeaderValue> = headers.get_all(header::HOST).iter().collect();
        let host = match named.as_slice() {
            [] => uri.authority().cloned(),
            [one] => one.to_str().ok().and_then(|text| text.parse::<Authority>().ok()),
            _ => None,
        };
        let host = host.ok_or_else(|| {
            let problem = Problem::invalid("the request has not exactly one valid Host header").at("Host");
            Refusal::http(StatusCode::BAD_REQUEST, problem)
        })?;
        if !self.hosts.contains(&bare(host.host())) {
            return Err(forbidden("this server is not called by that Host", "Host"));
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        let known = origin.to_str().ok().and_then(parse).is_some_and(|origin| {
            self.origins.iter().any(|allowed| {
                allowed.scheme == origin.scheme
                    && allowed.host == origin.host
                    && (allowed.port.is_none() || allowed.port == origin.port)
            })
        });
        if known && origins.next().is_none() {
            return Ok(Some(origin.clone()));
        }
        Err(forbidden("pages of that Origin may not call this server", "Origin"))
    }
}

/// Adds what a browser needs to hand an answer to a page of `origin`.
pub(super) fn share(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let mut add = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    add(header::VARY, "origin");
    add(header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after");
    if preflight {
        add(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
        add(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        add(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    }
}

fn forbidden(cause: &str, field: &str) -> Refusal {
    let next = "add it to the server's configuration when it is meant to be allowed";
    Refusal::http(StatusCode::FORBIDDEN, Problem::new(Kind::Forbidden, cause).next(next).at(field))
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

fn allowed(text: &str) -> Option<Origin> {
    match text.strip_suffix(":*") {
        Some(before) => parse(before).map(|origin| Origin { port: None, ..origin }),
        None => parse(text),
    }
}

/// An origin as browsers send it: scheme, host, and a port unless it is the scheme's own.
fn parse(text: &str) -> Option<Origin> {
    let (scheme, rest) = text.split_once("://")?;
    let authority: Authority = rest.parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    Some(Origin { host: bare(authority.host()), port: authority.port_u16().or(usual), scheme })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(place: &Place, host: &[&str], origin: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, values) in [(header::HOST, host), (header::ORIGIN, origin)] {
            for value in values {
                headers.append(&name, value.parse().expect("a value"));
            }
        }
        place.check(&headers, &Uri::from_static("/mcp")).map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn only_own_names_and_allowed_origins_pass() {
        let origins = ["https://console.example.com".to_owned(), "http://localhost:*".to_owned()];
        let place = Place::new(vec!["127.0.0.1".to_owned(), "::1".to_owned()], &origins).expect("good origins");
        let here = &["127.0.0.1:8002"][..];
        for (host, origin, wanted) in [
            (here, &[][..], 200),
            (&["[::1]:1"], &[], 200),
            (&["evil.example"], &[], 403),
            (&["127.0.0.1.evil.example"], &[], 403),
            (&[], &[], 400),
            (&["127.0.0.1", "evil.example"], &[], 400),
            (&["a b"], &[], 400),
            (here, &["https://console.example.com"], 200),
            (here, &["https://CONSOLE.example.com:443"], 200),
            (here, &["http://localhost:5173"], 200),
            (here, &["https://localhost:5173"], 403),
            (here, &["http://console.example.com"], 403),
            (here, &["https://console.example.com:8443"], 403),
            (here, &["https://console.example.com.evil.example"], 403),
            (here, &["https://evil@console.example.com"], 403),
            (here, &["https://console.example.com", "https://evil.example"], 403),
            (here, &["null"], 403),
            (here, &[""], 403),
        ] {
            assert_eq!(status(&place, host, origin), wanted, "{host:?} {origin:?}");
        }
        for junk in ["console.example.com", "https://", "https://a/b", "*", "null", "https://a b"] {
            assert!(Place::new(Vec::new(), &[junk.to_owned()]).is_err(), "{junk}");
        }
    }
}
