//! Protocol 2026-07-28: every request carries all there is to know.

use serde_json::{Value, json};

use super::probe::{Probe, answer, ensure, result};
use crate::contract::{ToolSpec, catalog, find};

pub(super) async fn discovery_says_what_is_served(probe: &Probe) -> Result<(), String> {
    let found = result(answer(probe.modern(&probe.target.viewer_token, "server/discover", json!({}))).await?)?;
    for version in ["2026-07-28", "2025-11-25", "2025-06-18"] {
        let all = found["supportedVersions"].as_array();
        ensure!(all.is_some_and(|all| all.contains(&json!(version))), "{version} is missing: {found}");
    }
    ensure!(found["capabilities"]["tools"].is_object(), "tools are not declared: {found}");
    for absent in ["prompts", "resources"] {
        ensure!(found["capabilities"].get(absent).is_none(), "{absent} are declared: {found}");
    }
    ensure!(found["resultType"] == "complete", "no result type: {found}");
    check_cache_hints(&found)?;
    let name = found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].as_str();
    ensure!(name.is_some_and(|name| name.starts_with("mcp-cloud-")), "the server does not say its name: {found}");
    Ok(())
}

/// Lists depend on who asks, so nobody may share them.
fn check_cache_hints(found: &Value) -> Result<(), String> {
    ensure!(found["cacheScope"] == "private", "cacheScope is {}", found["cacheScope"]);
    ensure!(found["ttlMs"].as_u64().is_some_and(|ttl| ttl > 0), "ttlMs is {}", found["ttlMs"]);
    Ok(())
}

pub(super) async fn tools_are_listed_in_order_and_by_role(probe: &Probe) -> Result<(), String> {
    let listed = probe.listed().await?;
    let served = |tool: &&ToolSpec| listed.iter().any(|name| name == tool.name);
    let all: Vec<&str> = catalog().iter().filter(served).map(|tool| tool.name).collect();
    let reads: Vec<&str> =
        catalog().iter().filter(|tool| served(tool) && tool.hints.read_only).map(|tool| tool.name).collect();
    ensure!(!reads.is_empty(), "no tool that reads is listed: {listed:?}");
    for (token, wanted) in [(&probe.target.operator_token, all), (&probe.target.viewer_token, reads)] {
        let found = result(answer(probe.modern(token, "tools/list", json!({}))).await?)?;
        check_cache_hints(&found)?;
        let tools = found["tools"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        ensure!(names == wanted, "{names:?} are listed, not {wanted:?}");
        tools.iter().try_for_each(check_definition)?;
    }
    Ok(())
}

pub(super) async fn a_tool_that_is_not_listed_says_why(probe: &Probe) -> Result<(), String> {
    let listed = probe.listed().await?;
    for tool in catalog().iter().filter(|tool| !listed.iter().any(|name| name == tool.name)) {
        let result = probe.call(tool.name, json!({})).await?;
        check_result(tool.name, &result, true)?;
        let error = &result["structuredContent"]["error"];
        ensure!(error["kind"] == "unsupported" && error["next_step"].is_string(), "{}: {error}", tool.name);
    }
    Ok(())
}

fn check_definition(tool: &Value) -> Result<(), String> {
    let spec =
        tool["name"].as_str().and_then(find).ok_or_else(|| format!("{} is not in the contract", tool["name"]))?;
    ensure!(tool["inputSchema"] == Value::Object((*spec.input_schema).clone()), "another input schema: {tool}");
    ensure!(tool["outputSchema"] == Value::Object((*spec.output_schema).clone()), "another output schema: {tool}");
    let hints = &tool["annotations"];
    ensure!(hints["readOnlyHint"] == spec.hints.read_only, "another readOnlyHint: {tool}");
    ensure!(hints["destructiveHint"] == spec.hints.destructive, "another destructiveHint: {tool}");
    ensure!(hints["idempotentHint"] == spec.hints.idempotent, "another idempotentHint: {tool}");
    ensure!(hints["openWorldHint"].is_boolean(), "no openWorldHint: {tool}");
    Ok(())
}

pub(super) async fn a_result_is_structured_valid_and_repeated_as_text(probe: &Probe) -> Result<(), String> {
    let region = json!({ "region": probe.target.region });
    let need = json!({ "resources": { "cpu_milli": 1, "memory_bytes": 1 } });
    let absent = json!({ "region": "no-such-region" });
    for (tool, arguments, fails) in [
        ("get_quotas", json!({}), false),
        ("get_quotas", region.clone(), false),
        ("get_health", region, false),
        ("get_cost_estimate", need, false),
        ("get_quotas", absent, true),
        ("get_operation", json!({ "operation_id": "op-none" }), true),
    ] {
        check_result(tool, &probe.call(tool, arguments).await?, fails)?;
    }
    Ok(())
}

/// The envelope of a result: valid by the tool's output schema, also when it failed, and the same as its text.
fn check_result(tool: &str, result: &Value, fails: bool) -> Result<(), String> {
    let envelope = &result["structuredContent"];
    ensure!(result["isError"] == fails, "{tool}: isError is {}: {envelope}", result["isError"]);
    ensure!((envelope["status"] == "failed") == fails, "{tool}: the status is {}", envelope["status"]);
    ensure!(envelope.get("error").is_some() == fails, "{tool}: {envelope}");
    let text: Value =
        result["content"][0]["text"].as_str().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default();
    ensure!(text == *envelope, "{tool}: the text is {text}");
    let schema = find(tool).map(|spec| Value::Object((*spec.output_schema).clone())).unwrap_or_default();
    let validator = jsonschema::validator_for(&schema).map_err(|e| format!("{tool}: {e}"))?;
    validator.validate(envelope).map_err(|e| format!("{tool}: {envelope} is not of its schema: {e}"))
}

pub(super) async fn bad_arguments_are_tool_errors_that_name_the_field(probe: &Probe) -> Result<(), String> {
    let token = "x".repeat(16);
    for (tool, arguments, field) in [
        ("get_quotas", json!({ "regoin": "x" }), "regoin"),
        ("get_health", json!({ "nodepool": 7 }), "nodepool"),
        ("get_cost_estimate", json!({}), "resources"),
        ("scale_nodepool", json!({ "region": "r", "nodepool": "p", "size": 1 }), "idempotency_token"),
        ("scale_nodepool", json!({ "region": "r", "nodepool": "p", "size": -1, "idempotency_token": token }), "size"),
    ] {
        let result = probe.call(tool, arguments).await?;
        check_result(tool, &result, true)?;
        let error = &result["structuredContent"]["error"];
        ensure!(error["kind"] == "invalid" && error["field"] == field, "{tool}: {field} is at fault, not {error}");
    }
    Ok(())
}

fn scale(probe: &Probe, dry_run: bool) -> Value {
    let token = "conformance-check-0000";
    json!({
        "region": probe.target.region, "nodepool": "conformance-no-such-pool", "size": 1, "dry_run": dry_run,
        "idempotency_token": token,
    })
}

pub(super) async fn a_viewer_who_writes_is_told_the_scope_that_would_do(probe: &Probe) -> Result<(), String> {
    let params = json!({ "name": "scale_nodepool", "arguments": scale(probe, false) });
    let request = probe.modern(&probe.target.viewer_token, "tools/call", params);
    let response = request.send().await.map_err(|e| e.to_string())?;
    ensure!(response.status() == 403, "HTTP {}", response.status());
    let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok());
    let challenge = challenge.unwrap_or_default().to_owned();
    for part in ["error=\"insufficient_scope\"", "scope=\"operator\"", "resource_metadata=\""] {
        ensure!(challenge.contains(part), "the challenge lacks {part}: {challenge:?}");
    }
    let body: Value = response.json().await.map_err(|e| e.to_string())?;
    ensure!(body["id"] == 1 && body["error"]["data"]["kind"] == "forbidden", "{body}");
    Ok(())
}

pub(super) async fn a_dry_run_says_so_or_is_refused(probe: &Probe) -> Result<(), String> {
    for (tool, arguments) in [
        ("scale_nodepool", scale(probe, true)),
        (
            "create_storage_bucket",
            json!({
                "region": probe.target.region, "bucket": "conformance-no-such-bucket", "dry_run": true,
                "idempotency_token": "conformance-check-0001",
            }),
        ),
    ] {
        let result = probe.call(tool, arguments).await?;
        let status = result["structuredContent"]["status"].clone();
        ensure!(status == "dry_run" || status == "failed", "{tool}: the status is {status}");
        check_result(tool, &result, status == "failed")?;
    }
    Ok(())
}

pub(super) async fn headers_must_match_the_body(probe: &Probe) -> Result<(), String> {
    let token = &probe.target.operator_token;
    let call = || json!({ "name": "scale_nodepool", "arguments": scale(probe, true) });
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut params = call();
    params["_meta"] = meta;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let region = probe.target.region.as_str();
    for (method, name, param) in [
        ("tools/list", Some("scale_nodepool"), Some(region)),
        ("tools/call", Some("get_health"), Some(region)),
        ("tools/call", None, Some(region)),
        ("tools/call", Some("scale_nodepool"), Some("elsewhere")),
        ("tools/call", Some("scale_nodepool"), None),
    ] {
        let mut request = probe.post(token).header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
        request = name.into_iter().fold(request, |request, name| request.header("mcp-name", name));
        request = param.into_iter().fold(request, |request, region| request.header("mcp-param-region", region));
        let found = answer(request.json(&body)).await?;
        let refused = found.status == 400 && found.body["error"]["code"] == -32020;
        ensure!(refused, "{method} {name:?} {param:?}: HTTP {} {}", found.status, found.body);
    }
    Ok(())
}

pub(super) async fn an_unknown_tool_is_a_protocol_error(probe: &Probe) -> Result<(), String> {
    let params = json!({ "name": "format_disk", "arguments": {} });
    let found = answer(probe.modern(&probe.target.operator_token, "tools/call", params)).await?;
    ensure!(found.body["error"]["code"] == -32602, "HTTP {} {}", found.status, found.body);
    Ok(())
}
