//! Messages of every form at the entrance: whatever comes, the answer is JSON-RPC, and never a fault of ours.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use cloud::contract::catalog;
use cloud::server::{Cloud, CloudServer, ServerAccess};
use domain::SystemClock;
use http::{Request, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use state::memory::MemoryStore;
use tower::ServiceExt as _;

use crate::world::signer;

const URL: &str = "http://127.0.0.1:8002/fuzz/mcp";
const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/get",
    "resources/read",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/get",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "",
    "TOOLS/CALL",
    "tools/call\u{0}",
];
const VERSIONS: &[&str] = &["2026-07-28", "2025-11-25", "2025-06-18", "2024-11-05", "v999", ""];

struct Nothing;

impl Cloud for Nothing {
    fn name(&self) -> &str {
        "fuzz"
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|float| json!(float)),
        any::<String>().prop_map(Value::from),
        select(&["region", "2026-07-28", "x", "../..", "\u{202e}", "{}"][..]).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn meta() -> impl Strategy<Value = Value> {
    let version = prop_oneof![4 => select(VERSIONS).prop_map(Value::from), 1 => value()];
    let capabilities = prop_oneof![4 => Just(json!({})), 1 => value()];
    let whole = (version, capabilities, prop::option::of(value())).prop_map(|(version, capabilities, token)| {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        if let Some(token) = token {
            meta["progressToken"] = token;
        }
        meta
    });
    prop_oneof![4 => whole, 1 => value()]
}

fn name() -> impl Strategy<Value = Value> {
    let names: Vec<&str> = catalog().iter().map(|tool| tool.name).collect();
    prop_oneof![4 => select(names).prop_map(Value::from), 1 => value()]
}

/// Arguments with the names that a tool has, and any values.
fn arguments() -> impl Strategy<Value = Value> {
    let keys: Vec<String> = catalog()
        .iter()
        .flat_map(|tool| tool.input_schema["properties"].as_object().expect("some").keys().cloned())
        .collect();
    let some = prop::collection::btree_map(select(keys), value(), 0..8);
    prop_oneof![4 => some.prop_map(|members| Value::Object(members.into_iter().collect())), 1 => value()]
}

fn params() -> impl Strategy<Value = Value> {
    let parts = (
        prop::option::of(meta()),
        prop::option::of(name()),
        prop::option::of(arguments()),
        prop::option::weighted(0.2, value()),
        prop::option::weighted(0.2, (any::<String>(), value())),
    );
    let whole = parts.prop_map(|(meta, name, arguments, cursor, more)| {
        let mut params = Map::new();
        for (key, part) in [("_meta", meta), ("name", name), ("arguments", arguments), ("cursor", cursor)] {
            params.extend(part.map(|part| (key.to_owned(), part)));
        }
        params.extend(more);
        Value::Object(params)
    });
    prop_oneof![6 => whole, 1 => value()]
}

fn message() -> impl Strategy<Value = Value> {
    let method = prop_oneof![8 => select(METHODS).prop_map(Value::from), 1 => value()];
    let id =
        prop_oneof![4 => any::<i32>().prop_map(Value::from), 2 => any::<String>().prop_map(Value::from), 1 => value()];
    let parts = (
        prop::option::weighted(0.95, prop_oneof![9 => Just(json!("2.0")), 1 => value()]),
        prop::option::weighted(0.9, id),
        prop::option::weighted(0.95, method),
        prop::option::weighted(0.9, params()),
        prop::option::weighted(0.05, (select(&["result", "error", "more"][..]), value())),
    );
    let whole = parts.prop_map(|(version, id, method, params, more)| {
        let mut message = Map::new();
        for (key, part) in [("jsonrpc", version), ("id", id), ("method", method), ("params", params)] {
            message.extend(part.map(|part| (key.to_owned(), part)));
        }
        message.extend(more.map(|(key, part)| (key.to_owned(), part)));
        Value::Object(message)
    });
    let whole = whole.boxed();
    prop_oneof![8 => whole.clone(), 1 => prop::collection::vec(whole, 0..3).prop_map(Value::from), 1 => value()]
}

/// A message as bytes, sometimes with a part cut out.
fn body() -> impl Strategy<Value = Vec<u8>> {
    (message(), prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<prop::sample::Index>()))).prop_map(
        |(message, cut)| {
            let mut bytes = message.to_string().into_bytes();
            if let Some((from, to)) = cut {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                bytes.drain(from.min(to)..from.max(to));
            }
            bytes
        },
    )
}

fn router(token: &mut String) -> Router {
    *token = signer().issue("fuzz", URL, &["operator"], 600, domain::Clock::now(&SystemClock)).expect("a token");
    let access = ServerAccess::new(signer().verifier(), URL);
    let server = CloudServer::new(Arc::new(Nothing), Arc::new(MemoryStore::new()), Arc::new(SystemClock), access);
    server.expect("a server").router()
}

async fn send(
    router: Router,
    token: &str,
    version: Option<&str>,
    method: Option<&str>,
    body: Vec<u8>,
) -> (StatusCode, Vec<u8>) {
    let mut request = Request::post("/fuzz/mcp")
        .header("host", "127.0.0.1:8002")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in [("mcp-protocol-version", version), ("mcp-method", method)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let answer = router.oneshot(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
    let status = answer.status();
    (status, axum::body::to_bytes(answer.into_body(), 16 << 20).await.expect("a body").to_vec())
}

/// What every answer must be.
fn check(sent: &[u8], status: StatusCode, answer: &[u8]) {
    let shown = String::from_utf8_lossy(sent);
    assert!(!status.is_server_error(), "{status} to {shown}");
    if status == StatusCode::ACCEPTED {
        assert!(answer.is_empty(), "{shown}");
        return;
    }
    let answer: Value = serde_json::from_slice(answer).unwrap_or_else(|e| panic!("{status} {e} to {shown}"));
    assert_eq!(answer["jsonrpc"], "2.0", "{shown}");
    let error = &answer["error"];
    assert!(answer.get("result").is_some() != error.is_object(), "{answer} to {shown}");
    if error.is_object() {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer} to {shown}");
        assert_ne!(error["code"], -32_603, "{answer} to {shown}");
    }
    let id = serde_json::from_slice::<Value>(sent).ok().and_then(|message| message.get("id").cloned());
    if let Some(id) = id.filter(|id| id.as_i64().is_some() || id.as_str().is_some_and(|text| text.len() < 1_024)) {
        assert_eq!(answer["id"], id, "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_answer_is_json_rpc(
        bodies in prop::collection::vec((body(), prop::option::of(select(VERSIONS)), prop::option::of(select(METHODS))), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut token = String::new();
        let router = router(&mut token);
        for (body, version, method) in bodies {
            // A header cannot say everything that a method's name can.
            let method = method.filter(|method| method.bytes().all(|b| b.is_ascii_graphic()));
            let (status, answer) = runtime.block_on(send(router.clone(), &token, version, method, body.clone()));
            check(&body, status, &answer);
        }
    }
}
