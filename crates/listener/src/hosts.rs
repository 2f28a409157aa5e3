//! By which names a listener may be called.
//!
//! A page in a browser on this machine can make its own name point to 127.0.0.1 and then talk to a port here as if it
//! were its own (DNS rebinding). Its name still stands in `host`, and so is refused.

use std::net::IpAddr;

/// The names under which a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Any name: for listeners that other machines reach under names nobody told us.
    Any,
    /// The names of this machine for itself, and these.
    LoopbackAnd(Vec<String>),
}

impl Hosts {
    /// What to allow on a listener at `address`: on loopback only loopback's own names and `names`; elsewhere any name,
    /// unless `names` are given.
    #[must_use]
    pub fn for_listener(address: IpAddr, names: &[String]) -> Self {
        if address.is_loopback() || !names.is_empty() { Self::LoopbackAnd(names.to_vec()) } else { Self::Any }
    }

    /// Whether a request to this authority (`name`, `name:port`, `[::1]:port`) is meant for this listener.
    #[must_use]
    pub fn allow(&self, authority: &str) -> bool {
        match self {
            Self::Any => true,
            Self::LoopbackAnd(names) => {
                let name = host_of(authority);
                is_loopback_name(name) || names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// Whether this authority names this machine as it names itself.
#[must_use]
pub fn is_loopback_authority(authority: &str) -> bool {
    is_loopback_name(host_of(authority))
}

/// The name without port and brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(name, _)| name);
    }
    authority.rsplit_once(':').map_or(authority, |(name, _)| name).trim_end_matches('.')
}

fn is_loopback_name(name: &str) -> bool {
    let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    let is_address = name.parse::<IpAddr>().is_ok_and(|address| is_here(address.to_canonical()));
    let is_localhost = name.len() > 9
        && name.get(name.len() - 10..).is_some_and(|end| end.eq_ignore_ascii_case(".localhost"))
        || name.eq_ignore_ascii_case("localhost");
    is_address || is_localhost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_called_by_its_own_names_and_those_configured() {
        let hosts = Hosts::for_listener(IpAddr::from([127, 0, 0, 1]), &["mcp.example".to_owned()]);
        for good in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:80",
            "[::ffff:127.0.0.1]",
            "0.0.0.0:80",
            "[::1]",
            "a.localhost",
            "MCP.example:1",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "xlocalhost",
            ".localhost.example",
            "[::2]",
            "[",
            "::1.evil",
            "127.0.0.1@evil.example",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
        assert!(Hosts::for_listener(IpAddr::from([0, 0, 0, 0]), &[]).allow("anything"));
        assert!(!Hosts::for_listener(IpAddr::from([0, 0, 0, 0]), &["mcp.example".to_owned()]).allow("anything"));
    }
}
