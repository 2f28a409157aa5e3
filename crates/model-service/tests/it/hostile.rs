//! Requests whose work somebody else sized, while an ordinary chat beside them goes on and `/health` answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::gguf;
use crate::service::{PATIENCE, Service, chat, chunks};

/// The longest wait for `/health` and for an ordinary chat; generous, because test machines are busy.
const BOUND: Duration = Duration::from_secs(30);

/// A hostile request, and the field that a refusal must name.
struct Case {
    what: &'static str,
    path: &'static str,
    body: Value,
    field: &'static str,
}

fn case(what: &'static str, change: impl FnOnce(&mut Value), field: &'static str) -> Case {
    let mut body = chat("hello", 8);
    change(&mut body);
    Case { what, path: "/v1/chat/completions", body, field }
}

fn schema(what: &'static str, schema: Value) -> Case {
    let change = |body: &mut Value| {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}});
    };
    case(what, change, "response_format")
}

fn grammar(what: &'static str, grammar: &str) -> Case {
    case(what, |body| body["grammar"] = json!(grammar), "grammar")
}

fn properties(count: usize, schema: &Value) -> Value {
    let map: Map<String, Value> = (0..count).map(|at| (format!("k{at}"), schema.clone())).collect();
    json!({"type": "object", "properties": map, "additionalProperties": false})
}

fn cases() -> Vec<Case> {
    let nested = (0..50).fold(json!({"type": "null"}), |inner, _| json!({"items": inner}));
    let parts: Vec<Value> = (0..20_000).map(|_| json!({"type": "text", "text": "a"})).collect();
    let biases: Map<String, Value> = (0..50_000).map(|token| (token.to_string(), json!(1))).collect();
    let other = |what, path, body, field| Case { what, path, body, field };
    vec![
        schema("1,500 optional properties", properties(1_500, &json!({"type": "integer"}))),
        schema("500 optional properties", properties(500, &json!({"type": "integer"}))),
        schema("6,500 empty properties", properties(6_500, &json!({}))),
        schema("unsatisfiable", json!({"type": "integer", "minimum": 9, "maximum": 1})),
        schema("a reference to itself", json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})),
        schema("deep", nested),
        schema("a huge enum", json!({"enum": (0..5_000).map(|at| format!("v{at}")).collect::<Vec<_>>()})),
        schema("many items", json!({"type": "array", "items": {"type": "integer"}, "minItems": 90_000})),
        schema("long text", json!({"type": "string", "minLength": 4_000_000_000u64})),
        schema("nested counts", json!({"type": "string", "pattern": "^(((a{100}){100}){100}b)*$"})),
        schema("look-ahead", json!({"type": "string", "pattern": "(?=a)b"})),
        schema("an unknown keyword of weight", json!({"type": "array", "uniqueItems": true})),
        schema("options of the compiler", json!({"x-guidance": {"lenient": true}, "type": "object"})),
        grammar("ambiguous", &format!("root ::= ({}){{50}}", "\"a\"? ".repeat(8))),
        grammar("nested repetitions", "root ::= a{100}\na ::= b{100}\nb ::= \"x\"?\n"),
        grammar("a token out of range", "root ::= <[99999999]>"),
        grammar("without an end", "root ::= root \"a\""),
        grammar("deep groups", &format!("root ::= {}\"a\"{}", "(".repeat(5_000), ")".repeat(5_000))),
        grammar("stars upon stars", &format!("root ::= \"a\"{}", "*".repeat(60_000))),
        grammar("two thousand of two thousand", "root ::= (.{0,2000}){0,2000} \"!\""),
        grammar("all recursion", "root ::= root root | \"a\" | root \"b\" root"),
        grammar("long", &"#".repeat(100_000)),
        case("many parts", move |body| body["messages"][0]["content"] = json!(parts), "messages"),
        case("long text", |body| body["messages"][0]["content"] = json!("zq ".repeat(500_000)), "messages"),
        case("many biases", move |body| body["logit_bias"] = Value::Object(biases), "logit_bias"),
        case("many stops", |body| body["stop"] = json!(vec!["x"; 10_000]), "stop"),
        case("a long stop", |body| body["stop"] = json!("x".repeat(1_000_000)), "stop"),
        other("long text", "/tokenize", json!({"content": "ab ".repeat(500_000)}), "content"),
        other("long text to tokenise", "/tokenize", json!({"content": "ab ".repeat(300_000)}), "content"),
        other("many inputs", "/v1/embeddings", json!({"model": "tiny", "input": vec!["a"; 5_000]}), "input"),
        other("a long input", "/v1/embeddings", json!({"model": "tiny", "input": "zq ".repeat(300_000)}), "input"),
        other(
            "too many tokens in all",
            "/v1/embeddings",
            json!({"model": "tiny", "input": vec![vec![300; 400]; 1_000]}),
            "input",
        ),
        other("many prompts", "/v1/completions", json!({"model": "tiny", "prompt": vec!["a"; 5_000]}), "prompt"),
        other("many tokens", "/v1/completions", json!({"model": "tiny", "prompt": vec![300; 200_000]}), "prompt"),
    ]
}

/// What an ordinary user and a supervisor saw.
#[derive(Debug, Default)]
struct Seen {
    health: Duration,
    chat: Duration,
    chats: usize,
}

/// Asks for `/health` and ordinary chats until told to stop, on a thread of its own: the other one writes large bodies.
fn beside(url: String, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Seen> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder().timeout(PATIENCE).build().expect("a client");
            let mut seen = Seen::default();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let health = client.get(format!("{url}/health")).send().await.expect("an answer");
                assert_eq!(health.status().as_u16(), 200, "{:?}", health.text().await);
                seen.health = seen.health.max(asked.elapsed());
                let asked = Instant::now();
                let chat = client.post(format!("{url}/v1/chat/completions")).json(&chat("hello", 4));
                let answer: Value = chat.send().await.expect("an answer").json().await.expect("JSON");
                assert_eq!(answer["usage"]["completion_tokens"], 4, "{answer}");
                seen.chat = seen.chat.max(asked.elapsed());
                seen.chats += 1;
            }
            seen
        })
    })
}

#[tokio::test]
async fn hostile_requests_are_faults_of_their_own_and_nobody_else_notices() {
    let service = Service::tiny().await;
    let stop = Arc::new(AtomicBool::new(false));
    let watch = beside(service.url.clone(), Arc::clone(&stop));
    for Case { what, path, body, field } in cases() {
        let asked = Instant::now();
        let body = serde_json::to_vec(&body).expect("JSON");
        // Several at once, as those come who try again.
        let copies = (0..3).map(|_| service.client.post(format!("{}{path}", service.url)).body(body.clone()).send());
        for response in futures_util::future::join_all(copies).await {
            let response = response.expect("an answer");
            let status = response.status().as_u16();
            let said = response.text().await.expect("a body");
            let shown: String = said.chars().take(300).collect();
            // Too many requests at a time may be told so; nothing is a fault of the service.
            assert!([200, 400, 429].contains(&status), "{status} for {what}: {shown}");
            if status == 400 {
                let error: Value = serde_json::from_str(&said).expect("JSON");
                assert_eq!(error["error"]["param"], field, "{what}: {shown}");
            }
        }
        assert!(asked.elapsed() < PATIENCE, "{what} took {:?}", asked.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let seen = watch.join().expect("ordinary requests go on");
    assert!(seen.health < BOUND && seen.chat < BOUND && seen.chats > 0, "{seen:?}");
}

#[tokio::test]
async fn a_refusal_within_a_stream_is_an_error_of_the_request() {
    let service = Service::tiny().await;
    // The end of the answer cannot be reached: after many letters one must come that no class holds.
    let mut body = chat("hello", 50);
    body["grammar"] = json!("root ::= \"a\" <[300]> (.{0,2000}){0,2000} \"!\"");
    body["stream"] = json!(true);
    let response = service.post("/v1/chat/completions", &body).await;
    let status = response.status().as_u16();
    let said = response.text().await.expect("a body");
    assert!(status == 200 || status == 400, "{said}");
    assert!(!said.contains("server_error"), "{said}");
    assert_eq!(service.health().await["status"], "ok");
}

#[tokio::test]
async fn forms_leave_room_for_ordinary_answers() {
    let service = Service::start(gguf::SLOW, &["--parallel", "4", "--context-tokens", "1024"]).await;
    let mut costly = chat("hello", 300);
    costly["grammar"] = json!("root ::= expr+\nexpr ::= [a-z ]* | \"(\" expr \")\" | expr \",\" expr");
    costly["stream"] = json!(true);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(service.post("/v1/chat/completions", &costly).await);
    }
    let steps = service.health().await["steps"].as_u64().expect("a count");
    let mut ordinary = chat("hello", 20);
    ordinary["stream"] = json!(true);
    let body = service.post("/v1/chat/completions", &ordinary).await.text().await.expect("a body");
    assert!(chunks(&body).len() > 1);
    let after = service.health().await["steps"].as_u64().expect("a count");
    assert!(after > steps, "the engine steps");
    drop(streams);
}
