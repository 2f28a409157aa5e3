//! What every request must have, whatever it asks for.

use http::uri::Authority;
use http::{HeaderMap, Request, Version, header};

use crate::framing::Fault;
use crate::hosts::Hosts;
use crate::refused::Refused;

/// Checks the head of a request.
pub(crate) fn check<B>(request: &Request<B>, fault: Option<Fault>, hosts: &Hosts) -> Result<(), Refused> {
    match fault {
        Some(Fault::BareLineFeed) => return Err(Refused::BareLineFeed),
        Some(Fault::TwoLengths) => return Err(Refused::TwoLengths),
        None => {}
    }
    check_host(request, hosts)?;
    let headers = request.headers();
    let is_met = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.contains_key(header::EXPECT) && !headers.get_all(header::EXPECT).iter().all(is_met) {
        return Err(Refused::Expectation);
    }
    Ok(())
}

/// One host that is a host, and one of ours (RFC 9112, section 3.2). A request that names its target whole is for that
/// target, whatever its header says.
fn check_host<B>(request: &Request<B>, hosts: &Hosts) -> Result<(), Refused> {
    let named = host(request.headers(), request.version())?;
    for authority in [named, request.uri().authority().map(Authority::as_str)].into_iter().flatten() {
        if !hosts.allow(authority) {
            return Err(Refused::ForeignHost);
        }
    }
    Ok(())
}

fn host(headers: &HeaderMap, version: Version) -> Result<Option<&str>, Refused> {
    let mut values = headers.get_all(header::HOST).iter();
    let Some(value) = values.next() else {
        return if version >= Version::HTTP_11 { Err(Refused::NoHost) } else { Ok(None) };
    };
    if values.next().is_some() {
        return Err(Refused::NoHost);
    }
    let text = value.to_str().map_err(|_| Refused::NoHost)?;
    if is_host(text) { Ok(Some(text)) } else { Err(Refused::NoHost) }
}

/// A name or address, and a port that is a number, if any.
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let port =
        text.strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':').or(rest.is_empty().then_some("")));
    !text.contains('@') && port.is_some_and(|port| port.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> Result<(), Refused> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let hosts = Hosts::for_listener(IpAddr::from([127, 0, 0, 1]), &[]);
        check(&request.body(()).expect("a request"), None, &hosts)
    }

    #[test]
    fn one_host_of_ours() {
        let new = Version::HTTP_11;
        assert_eq!(checked(new, "/", &[("host", "localhost:8000")]), Ok(()));
        assert_eq!(checked(Version::HTTP_10, "/", &[]), Ok(()));
        assert_eq!(checked(new, "/", &[]), Err(Refused::NoHost));
        assert_eq!(checked(new, "/", &[("host", "localhost"), ("host", "localhost")]), Err(Refused::NoHost));
        for host in ["", "a b", "a/b", "user@localhost", "localhost:x"] {
            assert_eq!(checked(new, "/", &[("host", host)]), Err(Refused::NoHost), "{host:?}");
        }
        assert_eq!(checked(new, "/", &[("host", "evil.example")]), Err(Refused::ForeignHost));
        assert_eq!(checked(Version::HTTP_10, "/", &[("host", "evil.example")]), Err(Refused::ForeignHost));
        assert_eq!(checked(new, "http://evil.example/", &[("host", "localhost")]), Err(Refused::ForeignHost));
    }

    #[test]
    fn only_leave_to_send_may_be_expected() {
        let host = ("host", "localhost");
        assert_eq!(checked(Version::HTTP_11, "/", &[host, ("expect", "100-Continue")]), Ok(()));
        assert_eq!(checked(Version::HTTP_11, "/", &[host, ("expect", "miracles")]), Err(Refused::Expectation));
    }
}
