//! Messages that are not as they should be: refused in JSON-RPC, with the code that says why and the field at fault.

use serde_json::{Value, json};

use super::probe::{Answer, Probe, answer, ensure};

/// Sends a body as a client of the handshake's era does.
async fn send(probe: &Probe, body: &Value) -> Result<Answer, String> {
    let request = probe.post(&probe.target.operator_token).header("mcp-protocol-version", "2025-11-25");
    answer(request.json(body)).await
}

fn refused(found: &Answer, code: i64, field: &str) -> Result<(), String> {
    let error = &found.body["error"];
    ensure!(found.body["jsonrpc"] == "2.0" && error["code"] == code, "HTTP {}: {}", found.status, found.body);
    ensure!(error["data"]["field"].as_str().unwrap_or_default() == field, "{field} is at fault, not {error}");
    Ok(())
}

pub(super) async fn malformed_params_name_the_field(probe: &Probe) -> Result<(), String> {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep: Value = serde_json::from_str(&deep).map_err(|e| e.to_string())?;
    for (method, params, field) in [
        ("tools/call", json!({}), "params.name"),
        ("tools/call", json!({ "name": null }), "params.name"),
        ("tools/call", json!({ "name": 7, "arguments": {} }), "params.name"),
        ("tools/call", json!({ "name": "no_such_tool", "arguments": {} }), "params.name"),
        ("tools/call", json!({ "name": "get_quotas", "arguments": "{\"region\": \"x\"}" }), "params.arguments"),
        ("tools/call", json!({ "name": "get_quotas", "arguments": [] }), "params.arguments"),
        ("tools/call", json!({ "name": "get_quotas", "arguments": deep }), "params.arguments"),
        ("tools/call", json!({ "name": "get_quotas", "_meta": "x" }), "params._meta"),
        ("tools/call", json!({ "name": "get_quotas", "_meta": { "progressToken": {} } }), "params._meta.progressToken"),
        ("tools/list", json!({ "cursor": 5 }), "params.cursor"),
        ("tools/list", json!({ "cursor": "made-up" }), "params.cursor"),
        ("tools/list", json!([]), "params"),
        ("tools/list", json!("x"), "params"),
        ("initialize", json!({}), "params.protocolVersion"),
        ("initialize", json!({ "protocolVersion": 7 }), "params.protocolVersion"),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let found = send(probe, &body).await?;
        refused(&found, -32_602, field).map_err(|found| format!("{method} {params}: {found}"))?;
        ensure!(found.body["id"] == 1, "{method} {params}: the id is {}", found.body["id"]);
    }
    // An integer may be written with a point, and null stands for absence.
    for params in [
        json!({ "name": "get_cost_estimate", "arguments": { "resources": { "cpu_milli": 1.0, "memory_bytes": 1 } } }),
        json!({ "name": "get_quotas", "arguments": null, "_meta": null }),
        json!({ "name": "get_quotas", "arguments": { "region": null } }),
    ] {
        let found =
            send(probe, &json!({ "jsonrpc": "2.0", "id": 2.0, "method": "tools/call", "params": params })).await?;
        ensure!(found.body["result"]["isError"] == false && found.body["id"] == 2, "{params}: {}", found.body);
    }
    Ok(())
}

pub(super) async fn malformed_messages_are_refused_in_json_rpc(probe: &Probe) -> Result<(), String> {
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let with = |name: &str, value: Value| {
        let mut body = ping.clone();
        body[name] = value;
        body
    };
    for (body, field) in [
        (json!([ping]), ""),
        (json!(7), ""),
        (with("jsonrpc", json!("1.0")), "jsonrpc"),
        (with("id", json!(null)), "id"),
        (with("id", json!(1.5)), "id"),
        (with("id", json!([1])), "id"),
        (with("method", json!(7)), "method"),
        (with("result", json!({})), "result"),
        (json!({ "jsonrpc": "2.0", "method": "tools/list" }), "id"),
    ] {
        let found = send(probe, &body).await?;
        ensure!(found.status == 400, "{body}: HTTP {}", found.status);
        refused(&found, -32_600, field).map_err(|found| format!("{body}: {found}"))?;
    }
    let token = &probe.target.operator_token;
    for (header, value, status) in [("accept", "application/json", 406), ("content-type", "text/plain", 415)] {
        let builder = probe.http.post(&probe.target.url).bearer_auth(token).body(ping.to_string());
        let (mut accept, mut content) = ("application/json, text/event-stream", "application/json");
        *(if header == "accept" { &mut accept } else { &mut content }) = value;
        let found = answer(builder.header("accept", accept).header("content-type", content)).await?;
        ensure!(found.status == status && found.body["jsonrpc"] == "2.0", "{header}: HTTP {}", found.status);
    }
    Ok(())
}

pub(super) async fn only_declared_features_answer(probe: &Probe) -> Result<(), String> {
    let token = &probe.target.operator_token;
    for (method, params) in [
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "x" })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "file:///etc/passwd" })),
        ("resources/subscribe", json!({ "uri": "file:///etc/passwd" })),
        ("completion/complete", json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": {} })),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("subscriptions/listen", json!({ "notifications": {} })),
        ("tasks/get", json!({ "taskId": "x" })),
        ("skills/list", json!({})),
        ("no/such", json!({})),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        refused(&send(probe, &body).await?, -32_601, "method").map_err(|found| format!("{method}: {found}"))?;
        let found = answer(probe.modern(token, method, params)).await?;
        ensure!(found.status == 404, "{method} in 2026-07-28: HTTP {}", found.status);
        refused(&found, -32_601, "method").map_err(|found| format!("{method} in 2026-07-28: {found}"))?;
    }
    for method in ["initialize", "ping"] {
        let found = answer(probe.modern(token, method, json!({}))).await?;
        ensure!(found.status == 404, "{method} in 2026-07-28: HTTP {}", found.status);
    }
    Ok(())
}

pub(super) async fn revisions_that_are_not_served_are_refused(probe: &Probe) -> Result<(), String> {
    let token = &probe.target.operator_token;
    for version in ["2024-11-05", "2025-03-26", "2099-01-01", "banana"] {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let mut with_meta = list.clone();
        with_meta["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
        });
        let noted = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        for body in [list, with_meta, noted] {
            let request = probe.post(token).header("mcp-protocol-version", version).header("mcp-method", "tools/list");
            let found = answer(request.json(&body)).await?;
            ensure!(found.status == 400, "{version} {body}: HTTP {}", found.status);
            refused(&found, -32_022, "MCP-Protocol-Version").map_err(|found| format!("{version} {body}: {found}"))?;
            let data = &found.body["error"]["data"];
            ensure!(data["requested"] == version && data["supported"][0] == "2026-07-28", "{version}: {data}");
        }
    }
    Ok(())
}
