//! Who is let in: tokens, origins, hosts, methods, sizes.

use serde_json::json;

use super::probe::{Probe, answer, ensure};

/// More than any server takes, in bytes.
const TOO_LARGE_BYTES: usize = 33 << 20;

pub(super) async fn without_a_good_token_there_is_a_challenge(probe: &Probe) -> Result<(), String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    for header in [None, Some("Bearer junk".to_owned()), Some(format!("Bearer {}", probe.target.foreign_token))] {
        let mut request = probe.http.post(&probe.target.url).json(&body);
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let response = request.send().await.map_err(|e| e.to_string())?;
        ensure!(response.status() == 401, "HTTP {}", response.status());
        let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
        let challenge = challenge.unwrap_or_default();
        ensure!(challenge.starts_with("Bearer ") && challenge.contains("resource_metadata=\""), "{challenge:?}");
    }
    Ok(())
}

pub(super) async fn the_metadata_names_this_server(probe: &Probe) -> Result<(), String> {
    let response = probe.http.post(&probe.target.url).send().await.map_err(|e| e.to_string())?;
    let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
    let url = challenge.and_then(|text| text.split("resource_metadata=\"").nth(1)?.split('"').next());
    let url = url.ok_or("the challenge names no metadata")?;
    let found = answer(probe.http.get(url)).await?;
    ensure!(found.status == 200, "{url}: HTTP {}", found.status);
    ensure!(found.body["resource"] == probe.target.url.as_str(), "{url} describes {}", found.body["resource"]);
    Ok(())
}

pub(super) async fn foreign_origins_and_hosts_are_refused(probe: &Probe) -> Result<(), String> {
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("host", "evil.example")] {
        let request = probe.modern(&probe.target.operator_token, "tools/list", json!({})).header(name, value);
        let found = answer(request).await?;
        ensure!(found.status == 403, "{name} {value}: HTTP {}", found.status);
        ensure!(found.body["jsonrpc"] == "2.0", "{name} {value}: {}", found.body);
        // Judged before the caller is: no token is needed to be refused.
        let unknown = answer(probe.http.post(&probe.target.url).header(name, value).body("{}")).await?;
        ensure!(unknown.status == 403, "{name} {value} without a token: HTTP {}", unknown.status);
    }
    Ok(())
}

pub(super) async fn only_post_is_allowed(probe: &Probe) -> Result<(), String> {
    for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::PUT] {
        let request = probe.http.request(method.clone(), &probe.target.url);
        let request = request.bearer_auth(&probe.target.operator_token).header("accept", "text/event-stream");
        let found = answer(request).await?;
        ensure!(found.status == 405 && found.body["jsonrpc"] == "2.0", "{method}: HTTP {}", found.status);
    }
    Ok(())
}

pub(super) async fn what_is_not_json_or_too_large_is_refused(probe: &Probe) -> Result<(), String> {
    let token = &probe.target.operator_token;
    for junk in ["", "{", "[]", "\u{0}", r#"{"jsonrpc":"1.0"}"#] {
        let found = answer(probe.post(token).header("content-type", "application/json").body(junk)).await?;
        ensure!(found.status == 400, "{junk:?}: HTTP {}", found.status);
        ensure!(found.body["error"]["code"].is_i64() && found.body["jsonrpc"] == "2.0", "{junk:?}: {}", found.body);
    }
    let large = "x".repeat(TOO_LARGE_BYTES);
    let request = probe.post(token).header("content-type", "application/json").body(large);
    // A server may also close the connection while the rest is still being sent.
    if let Ok(found) = answer(request).await {
        ensure!(found.status == 413, "33 MiB: HTTP {}", found.status);
    }
    Ok(())
}
