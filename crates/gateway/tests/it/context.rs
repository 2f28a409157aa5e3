//! Conversations longer than the window: oldest turns go, and the client is told.

use std::path::Path;

use serde_json::{Value, json};

use crate::bench::{Bench, config, dearer, eventually, snapshot};
use crate::upstream::Upstream;

const TEMPLATE: &str = "{% for m in messages %}{{ m.content }}<end>{% endfor %}";

/// A model file whose vocabulary has a token for each printable character, and a template that adds one for each message.
fn write_model(path: &Path, template: &str) {
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(0_u64.to_le_bytes());
    let mut entries = Vec::new();
    let text = |bytes: &mut Vec<u8>, value: &str| {
        bytes.extend((value.len() as u64).to_le_bytes());
        bytes.extend(value.as_bytes());
    };
    let tokens: Vec<String> = ["<unk>", "<end>"]
        .into_iter()
        .map(str::to_owned)
        .chain((33_u8..127).map(|c| char::from(c).to_string()))
        .collect();
    for (key, value) in [("tokenizer.ggml.model", "llama"), ("tokenizer.chat_template", template)] {
        let mut entry = Vec::new();
        text(&mut entry, key);
        entry.extend(8_u32.to_le_bytes());
        text(&mut entry, value);
        entries.push(entry);
    }
    let mut array = |key: &str, kind: u32, items: Vec<Vec<u8>>| {
        let mut entry = Vec::new();
        text(&mut entry, key);
        entry.extend(9_u32.to_le_bytes());
        entry.extend(kind.to_le_bytes());
        entry.extend((items.len() as u64).to_le_bytes());
        entry.extend(items.concat());
        entries.push(entry);
    };
    array("tokenizer.ggml.scores", 6, tokens.iter().map(|_| 0.0_f32.to_le_bytes().to_vec()).collect());
    let types = (0..tokens.len()).map(|id| if id < 2 { 3_i32 } else { 1 });
    array("tokenizer.ggml.token_type", 5, types.map(|kind| kind.to_le_bytes().to_vec()).collect());
    let written = tokens.iter().map(|token| {
        let mut item = Vec::new();
        text(&mut item, token);
        item
    });
    array("tokenizer.ggml.tokens", 8, written.collect());
    for flag in ["add_bos_token", "add_space_prefix"] {
        let mut entry = Vec::new();
        text(&mut entry, &format!("tokenizer.ggml.{flag}"));
        entry.extend(7_u32.to_le_bytes());
        entry.push(0);
        entries.push(entry);
    }
    bytes.extend((entries.len() as u64).to_le_bytes());
    bytes.extend(entries.concat());
    std::fs::write(path, bytes).expect("written");
}

/// A machine that is very busy may take long to count.
fn patient() -> gateway::GatewayConfig {
    gateway::GatewayConfig { fitting_ms: 300_000, ..config() }
}

/// A gateway over replicas of a model with a window of 400 tokens, once its vocabulary is read; the first is cheapest.
async fn bench(upstreams: &[&Upstream], folder: &Path) -> Bench {
    let artifact = folder.join("model.gguf");
    write_model(&artifact, TEMPLATE);
    let mut snapshot = snapshot(1, dearer(upstreams));
    for route in snapshot.models.values_mut() {
        route.artifact.clone_from(&artifact);
        route.context_tokens = 400;
    }
    let bench = Bench::with_snapshot(&snapshot, patient()).await;
    eventually("the vocabulary is read", || async {
        let answer = bench.chat(&chat(&[("user", 200)], 10)).await;
        answer.header("x-mcp-prompt-tokens") == "201"
    })
    .await;
    bench
}

fn chat(messages: &[(&str, usize)], max_tokens: u64) -> String {
    let messages: Vec<Value> =
        messages.iter().map(|(role, length)| json!({"role": role, "content": "x".repeat(*length)})).collect();
    json!({"model": "demo", "max_tokens": max_tokens, "messages": messages}).to_string()
}

fn roles_sent(upstream: &Upstream) -> Vec<String> {
    let request = upstream.seen().requests.pop().expect("a request");
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let messages = body["messages"].as_array().expect("a list").clone();
    messages.iter().map(|message| message["role"].as_str().expect("a role").to_owned()).collect()
}

#[tokio::test]
async fn oldest_turns_are_dropped_and_the_client_is_told() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    let long = [("system", 50), ("user", 150), ("assistant", 100), ("user", 90), ("assistant", 60), ("user", 49)];
    let answer = bench.chat(&chat(&long, 100)).await;
    assert_eq!(answer.status, 200);
    // Six messages of 499 characters and six ends; the first turn has 252 of those 505 tokens.
    assert_eq!(answer.header("x-mcp-context-dropped"), "messages=2, tokens=252");
    assert_eq!(answer.header("x-mcp-prompt-tokens"), "253");
    assert_eq!(roles_sent(&upstream), ["system", "user", "assistant", "user"]);
}

#[tokio::test]
async fn what_cannot_fit_is_refused_and_says_why() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    let answer = bench.chat(&chat(&[("system", 200), ("user", 10), ("user", 150)], 100)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "context_length_exceeded"));
    assert_eq!(answer.json()["error"]["param"], "messages");
    // A long one is counted off the async threads, with the same result.
    let answer = bench.chat(&chat(&[("user", 40_000)], 1)).await;
    assert_eq!(answer.code(), "context_length_exceeded");
}

#[tokio::test]
async fn what_must_fit_is_not_counted_and_what_cannot_be_read_is_passed_on() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    let short = bench.chat(&chat(&[("user", 10)], 10)).await;
    assert_eq!((short.status.as_u16(), short.header("x-mcp-prompt-tokens")), (200, ""));
    let odd = format!(r#"{{"model":"demo","messages":"{}"}}"#, "x".repeat(500));
    assert_eq!(bench.chat(&odd).await.status, 200);
    assert!(upstream.seen().requests.pop().expect("a request").contains(&"x".repeat(500)));
}

#[tokio::test]
async fn a_replica_too_small_for_the_prompt_is_passed_over() {
    let (small, large) = (Upstream::start().await, Upstream::start().await);
    small.health(200, r#"{"status":"ok","running":0,"waiting":0,"parallel":4,"context_tokens":100}"#);
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&[&small, &large], folder.path()).await;
    let probes = small.seen().probes;
    small.wait("its window is known", |seen| seen.probes >= probes + 2).await;
    let before = small.seen().requests.len();
    for _ in 0..5 {
        let answer = bench.chat(&chat(&[("user", 200)], 10)).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-mcp-replica")), (200, "r1"));
    }
    assert_eq!(small.seen().requests.len(), before);
    // What was not counted, for it must fit the model's window, is the replica's to judge.
    assert_eq!(bench.chat(&chat(&[("user", 1)], 10)).await.header("x-mcp-replica"), "r0");
}

/// The answer to the beginning of the conversation `messages`, up to its latest.
async fn asked(bench: &Bench, messages: Value, max_tokens: u64) -> crate::bench::Answer {
    bench.chat(&json!({"model": "demo", "max_tokens": max_tokens, "messages": messages}).to_string()).await
}

#[tokio::test]
async fn what_is_counted_is_what_the_model_gets() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    // A control token that a user writes is text: five characters each, and one end.
    let answer = asked(&bench, json!([{"role": "user", "content": "<end>".repeat(60)}]), 10).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-mcp-prompt-tokens")), (200, "301"));
    let history = json!([{"role": "user", "content": "<end>".repeat(60)}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "y".repeat(200)}]);
    let answer = asked(&bench, history, 10).await;
    assert_eq!(answer.header("x-mcp-context-dropped"), "messages=2, tokens=303");
    // Parts count as the text that they are together.
    let parts = vec![json!({"type": "text", "text": "a"}); 380];
    let answer = asked(&bench, json!([{"role": "user", "content": parts}]), 10).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-mcp-prompt-tokens")), (200, "381"));
}

#[tokio::test]
async fn conversations_of_any_length_are_answered_or_refused_soon() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    let many = |message: &str, count: usize| {
        let messages = vec![message; count].join(",");
        format!(r#"{{"model":"demo","max_tokens":10,"messages":[{messages}]}}"#)
    };
    let answer = bench.chat(&many(r#"{"role":"user","content":"hi"}"#, 200_000)).await;
    // Three tokens a message: 130 of them fit into 390.
    assert_eq!((answer.status.as_u16(), answer.header("x-mcp-context-dropped")), (200, "messages=199870"));
    assert_eq!((answer.header("x-mcp-prompt-tokens"), roles_sent(&upstream).len()), ("390", 130));
    let before = upstream.seen().requests.len();
    let answer = bench.chat(&many(r#"{"a":0}"#, 3_500_000)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "too_many_messages"));
    assert_eq!(answer.json()["error"]["param"], "messages");
    let answer = bench.chat(&many(r#"{"role":"system","content":"be brief"}"#, 100_000)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "context_length_exceeded"));
    assert_eq!(upstream.seen().requests.len(), before, "nothing of this reaches a replica");
}

#[tokio::test]
async fn the_answer_is_named_where_it_is_at_fault() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let bench = bench(&[&upstream], folder.path()).await;
    for (path, body) in [
        ("/v1/chat/completions", r#"{"model":"demo","messages":[{"role":"user","content":"hi"}],"max_tokens":400}"#),
        ("/v1/completions", r#"{"model":"demo","prompt":"hi","max_tokens":4096}"#),
    ] {
        let answer = bench.send(crate::bench::post(path, crate::bench::KEY, body)).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "context_length_exceeded"), "{path}");
        assert_eq!(answer.json()["error"]["param"], "max_tokens", "{path}");
    }
    // It would fit with a shorter answer.
    let answer = bench.chat(&chat(&[("user", 200)], 300)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["param"]), (400, &json!("max_tokens")));
    let body = chat(&[("user", 200)], 300).replace("max_tokens", "max_completion_tokens");
    assert_eq!(bench.chat(&body).await.json()["error"]["param"], "max_completion_tokens");
    assert!(upstream.seen().requests.iter().all(|request| !request.contains("300")));
}

#[tokio::test]
async fn a_template_that_takes_too_long_is_left_to_the_replica_and_others_go_on() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().expect("a folder"));
    let sound = folder.path().join("sound.gguf");
    write_model(&sound, TEMPLATE);
    let slow = folder.path().join("slow.gguf");
    // It grows with the conversation, so that the vocabulary can be seen to be read.
    write_model(
        &slow,
        "{% if messages[0].content|length < 300 %}{{ messages[0].content }}{% else %}{% for a in range(3000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}{% endif %}",
    );
    let mut snapshot = snapshot(1, dearer(&[&upstream]));
    let route = snapshot.models["demo"].clone();
    for (name, artifact) in [("demo", &sound), ("slow", &slow)] {
        let route = domain::ModelRoute { artifact: artifact.clone(), context_tokens: 400, ..route.clone() };
        snapshot.models.insert(name.to_owned(), route);
    }
    let bench = Bench::with_snapshot(&snapshot, patient()).await;
    let of = |model: &str, length: usize| chat(&[("user", length)], 10).replace("demo", model);
    eventually("the vocabularies are read", || async {
        let counted = [bench.chat(&of("demo", 200)).await, bench.chat(&of("slow", 200)).await];
        counted.iter().all(|answer| !answer.header("x-mcp-prompt-tokens").is_empty())
    })
    .await;
    let slow = of("slow", 350);
    let ordinary = of("demo", 250);
    let (slow, ordinary) = tokio::join!(
        async { tokio::join!(bench.chat(&slow), bench.chat(&slow), bench.chat(&slow), bench.chat(&slow)) },
        bench.chat(&ordinary)
    );
    assert_eq!((ordinary.status.as_u16(), ordinary.header("x-mcp-prompt-tokens")), (200, "251"));
    for answer in [slow.0, slow.1, slow.2, slow.3] {
        assert_eq!((answer.status.as_u16(), answer.header("x-mcp-prompt-tokens")), (200, ""));
    }
}
