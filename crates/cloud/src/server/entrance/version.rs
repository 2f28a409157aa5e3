//! Which revision of the protocol a request speaks, and whether it is served. A request says it up to three times: in the
//! header, in its `_meta` (since 2026-07-28), and in `initialize` (before).

use domain::Problem;
use domain::text::printable;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::message::Message;
use super::refusal::{HEADER_MISMATCH, INVALID_PARAMS, Refusal, UNSUPPORTED_VERSION};

/// The two lives of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Era {
    /// Until 2025-11-25: a handshake first.
    Handshake,
    /// Since 2026-07-28: each request says all there is to know.
    PerRequest,
}

const HEADER: &str = "mcp-protocol-version";
const META: &str = "io.modelcontextprotocol/protocolVersion";
/// The first revision without a handshake.
const FIRST_PER_REQUEST: &str = "2026-07-28";
/// Longest version that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 64;

/// The era of a request. Refuses revisions that are not among those `served`; what the library checks itself (that
/// header and `_meta` agree, and that `_meta` is complete) is left to it.
///
/// A request without any version is taken for one of a client of the handshake's era that left its header out.
/// `initialize` is never refused for its revision: the answer to it offers one that is served.
pub(super) fn era(headers: &HeaderMap, message: &Message, served: &[&str]) -> Result<Era, Refusal> {
    let header = header(headers)?;
    let meta = message.params.get("_meta").and_then(|meta| meta.get(META));
    let meta = match meta {
        None => None,
        Some(Value::String(version)) => Some(version.as_str()),
        Some(_) => return Err(malformed()),
    };
    if message.method == "initialize" && meta.is_none() {
        return Ok(Era::Handshake);
    }
    if let (Some(header), Some(meta)) = (header, meta)
        && header != meta
    {
        let cause = format!(
            "the header MCP-Protocol-Version says {:?}, and _meta says {:?}",
            printable(header, QUOTED_CHARS_MAX),
            printable(meta, QUOTED_CHARS_MAX)
        );
        return Err(mismatch(cause));
    }
    for version in [header, meta].into_iter().flatten() {
        if !served.contains(&version) {
            return Err(unsupported(version, served));
        }
    }
    let per_request = meta.is_some()
        || header.is_some_and(|version| version >= FIRST_PER_REQUEST)
        || message.method == "server/discover";
    Ok(if per_request { Era::PerRequest } else { Era::Handshake })
}

fn header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(mismatch("the header MCP-Protocol-Version came with several values".to_owned()));
    }
    let text = first.to_str().map_err(|_| mismatch("the header MCP-Protocol-Version is not plain text".to_owned()))?;
    Ok(Some(text.trim()))
}

fn mismatch(cause: String) -> Refusal {
    let problem = Problem::invalid(cause).next("send one version in both").at("MCP-Protocol-Version");
    Refusal::new(StatusCode::BAD_REQUEST, HEADER_MISMATCH, problem)
}

fn malformed() -> Refusal {
    let field = format!("params._meta.{META}");
    let problem = Problem::invalid(format!("{field}: expected a string")).at(field);
    Refusal::new(StatusCode::BAD_REQUEST, INVALID_PARAMS, problem)
}

fn unsupported(version: &str, served: &[&str]) -> Refusal {
    let cause = format!("the protocol version {:?} is not served", printable(version, QUOTED_CHARS_MAX));
    let problem = Problem::invalid(cause).next(format!("use one of {}", served.join(", "))).at("MCP-Protocol-Version");
    let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, UNSUPPORTED_VERSION, problem);
    refusal.data.insert("requested".to_owned(), json!(printable(version, QUOTED_CHARS_MAX)));
    refusal.data.insert("supported".to_owned(), json!(served));
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: &[&str] = &["2026-07-28", "2025-11-25", "2025-06-18"];

    fn judge(header: Option<&str>, meta: Option<Value>, method: &str) -> Result<Era, i32> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(HEADER, value.parse().expect("a value"));
        }
        let params = meta.map_or_else(|| json!({}), |meta| json!({ "_meta": { META: meta } }));
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let message = Message::parse(body.to_string().as_bytes()).expect("a message");
        era(&headers, &message, SERVED).map_err(|refusal| refusal.code)
    }

    #[test]
    fn each_path_in_is_judged() {
        let text = |version: &str| Some(json!(version));
        let cases = [
            (None, None, "tools/list", Ok(Era::Handshake)),
            (Some("2025-06-18"), None, "tools/list", Ok(Era::Handshake)),
            (Some("2026-07-28"), text("2026-07-28"), "tools/list", Ok(Era::PerRequest)),
            (Some("2026-07-28"), None, "tools/list", Ok(Era::PerRequest)),
            (None, None, "server/discover", Ok(Era::PerRequest)),
            (Some("2024-11-05"), None, "tools/list", Err(UNSUPPORTED_VERSION)),
            (Some("2025-03-26"), None, "ping", Err(UNSUPPORTED_VERSION)),
            (Some("2099-01-01"), None, "notifications/initialized", Err(UNSUPPORTED_VERSION)),
            (Some(""), None, "tools/list", Err(UNSUPPORTED_VERSION)),
            (Some("2024-11-05"), text("2024-11-05"), "tools/list", Err(UNSUPPORTED_VERSION)),
            (None, text("v999"), "server/discover", Err(UNSUPPORTED_VERSION)),
            (Some("2026-07-28"), text("2025-11-25"), "tools/list", Err(HEADER_MISMATCH)),
            (Some("2026-07-28"), Some(json!(7)), "tools/list", Err(INVALID_PARAMS)),
            (None, None, "initialize", Ok(Era::Handshake)),
            (Some("2024-11-05"), None, "initialize", Ok(Era::Handshake)),
            (Some("2026-07-28"), text("2026-07-28"), "initialize", Ok(Era::PerRequest)),
        ];
        for (header, meta, method, wanted) in cases {
            assert_eq!(judge(header, meta.clone(), method), wanted, "{header:?} {meta:?} {method}");
        }
    }
}
