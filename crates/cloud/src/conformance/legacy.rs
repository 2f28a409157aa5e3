//! Protocol 2025-11-25 and 2025-06-18: a handshake first, and here no session after it.

use serde_json::{Value, json};

use super::probe::{Probe, answer, ensure, result};

fn initialize(version: &str) -> Value {
    let client = json!({ "name": "conformance", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

pub(super) async fn older_revisions_are_served_without_sessions(probe: &Probe) -> Result<(), String> {
    let token = &probe.target.operator_token;
    let listed = probe.listed().await?;
    for version in ["2025-11-25", "2025-06-18"] {
        let found = answer(probe.post(token).json(&initialize(version))).await?;
        ensure!(!found.has_session, "{version}: a session was begun");
        let agreed = result(found)?;
        ensure!(agreed["protocolVersion"] == version, "{version}: {} was agreed to", agreed["protocolVersion"]);
        ensure!(agreed["capabilities"]["tools"].is_object(), "{version}: {agreed}");
        let send = |body: Value| probe.post(token).header("mcp-protocol-version", version).json(&body);
        let noted = answer(send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))).await?;
        ensure!(noted.status == 202, "{version}: a notification gets HTTP {}", noted.status);
        let ping = result(answer(send(json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }))).await?)?;
        ensure!(ping.is_object(), "{version}: ping gets {ping}");
        let list = result(answer(send(json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }))).await?)?;
        let tools = list["tools"].as_array().map_or(0, Vec::len);
        ensure!(tools == listed.len(), "{version}: {tools} tools are listed");
        let params = json!({ "name": "get_quotas", "arguments": { "region": probe.target.region } });
        let call = json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": params });
        let called = result(answer(send(call)).await?)?;
        ensure!(called["structuredContent"]["status"] == "succeeded", "{version}: {called}");
        ensure!(called.get("resultType").is_none(), "{version}: a member of a later revision: {called}");
    }
    Ok(())
}

pub(super) async fn a_revision_that_is_too_old_is_not_agreed_to(probe: &Probe) -> Result<(), String> {
    let found = answer(probe.post(&probe.target.operator_token).json(&initialize("2024-11-05"))).await?;
    let agreed = found.body["result"]["protocolVersion"].as_str().unwrap_or("none").to_owned();
    let offers = matches!(agreed.as_str(), "2025-11-25" | "2025-06-18");
    ensure!(offers || found.body.get("error").is_some(), "{agreed} was agreed to");
    Ok(())
}
