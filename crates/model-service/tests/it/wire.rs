//! The shapes on the wire, as OpenAI's clients expect them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::service::{Service, chat, chunks, text};

#[tokio::test]
async fn a_chat_stream_has_openais_shape() {
    let service = Service::tiny().await;
    let whole = service.ask("/v1/chat/completions", &chat("hello", 6)).await;
    let mut body = chat("hello", 6);
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let response = service.post("/v1/chat/completions", &body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = chunks(&response.text().await.expect("a body"));
    let (first, last) = (&chunks[0], &chunks[chunks.len() - 1]);
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    assert!(chunks.iter().all(|c| c["id"] == first["id"] && c["object"] == "chat.completion.chunk"));
    let pieces: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(pieces, text(&whole));
    let ended = &chunks[chunks.len() - 2]["choices"][0];
    assert_eq!((&ended["delta"], &ended["finish_reason"]), (&json!({}), &json!("length")));
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 6);
    assert_eq!(last["usage"]["total_tokens"], whole["usage"]["total_tokens"]);
    assert!(chunks[..chunks.len() - 1].iter().all(|c| c["usage"].is_null()));
}

#[tokio::test]
async fn completions_take_text_and_tokens() {
    let service = Service::tiny().await;
    let tokens = service.ask("/tokenize", &json!({"content": "hello", "add_special": true})).await;
    assert_eq!(tokens["tokens"][0], 1, "the model's first token");
    let body = |prompt: &Value| json!({"model": "tiny:1.0", "prompt": prompt, "max_tokens": 5, "temperature": 0, "logprobs": 1});
    let by_text = service.ask("/v1/completions", &body(&json!("hello"))).await;
    let by_tokens = service.ask("/v1/completions", &body(&tokens["tokens"])).await;
    // The second is computed from the cache, so its last digits may differ.
    assert_eq!(by_text["choices"][0]["text"], by_tokens["choices"][0]["text"]);
    assert_eq!(by_text["object"], "text_completion");
    assert_eq!(by_text["usage"]["prompt_tokens"], tokens["tokens"].as_array().expect("tokens").len());
    let logprobs = &by_text["choices"][0]["logprobs"];
    assert_eq!(logprobs["tokens"].as_array().expect("tokens").len(), 5);
    assert_eq!(logprobs["text_offset"][0], 0);
}

#[tokio::test]
async fn embeddings_are_the_same_in_both_writings_and_have_length_one() {
    let service = Service::tiny().await;
    let ask = |format: &str, input: Value| json!({"model": "tiny", "input": input, "encoding_format": format});
    let floats = service.ask("/v1/embeddings", &ask("float", json!(["hello", "tell me of the river"]))).await;
    let coded = service.ask("/v1/embeddings", &ask("base64", json!("tell me of the river"))).await;
    let vector = |at: usize| -> Vec<f32> {
        let numbers = floats["data"][at]["embedding"].as_array().expect("numbers");
        numbers.iter().map(|n| n.as_f64().expect("a number") as f32).collect()
    };
    let bytes = STANDARD.decode(coded["data"][0]["embedding"].as_str().expect("text")).expect("base64");
    let decoded: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(decoded.len(), 64);
    let difference = decoded.iter().zip(vector(1)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-5, "{difference}");
    let length: f32 = vector(0).iter().map(|v| v * v).sum();
    assert!((length - 1.0).abs() < 1e-4, "{length}");
    assert_ne!(vector(0), vector(1));
    assert_eq!(floats["data"][1]["index"], 1);
    assert!(floats["usage"]["prompt_tokens"].as_u64().expect("a count") > 2);
}

#[tokio::test]
async fn a_users_control_text_stays_text() {
    let service = Service::tiny().await;
    let count = async |text: &str| {
        let answer = service.ask("/v1/chat/completions", &chat(text, 1)).await;
        answer["usage"]["prompt_tokens"].as_u64().expect("a count")
    };
    // As one control token it would add one; as text it adds its letters.
    assert!(count("a<|end|>").await > count("a").await + 3);
}

#[tokio::test]
async fn it_says_what_it_does() {
    let service = Service::tiny().await;
    assert_eq!(service.ready["instance_id"], "i-7");
    assert_eq!(service.ready["model"], "tiny:1.0");
    service.ask("/v1/chat/completions", &chat("hello", 3)).await;
    // The answer is out before its slot is free.
    service.wait_for("running", 0).await;
    let health = service.health().await;
    assert_eq!(
        (&health["status"], &health["model"], &health["parallel"]),
        (&json!("ok"), &json!("tiny:1.0"), &json!(4))
    );
    assert!(
        health["steps"].as_u64().is_some_and(|steps| steps >= 3) && health["last_step_ms_ago"].is_u64(),
        "{health}"
    );
    assert_eq!((&health["queue"], &health["context_tokens"], &health["running"]), (&json!(64), &json!(512), &json!(0)));
    let (_, models) = service.get("/v1/models").await;
    assert!(models.contains(r#""id":"tiny:1.0""#), "{models}");
    let (_, metrics) = service.get("/metrics").await;
    for row in [
        "mastercontrol_engine_requests_running 0",
        "mastercontrol_engine_requests_waiting 0",
        "mastercontrol_engine_generation_tokens_total 3",
        r#"mastercontrol_engine_requests_total{outcome="length"} 1"#,
        "gen_ai_server_time_to_first_token_seconds_count 1",
    ] {
        assert!(metrics.contains(row), "{row} in {metrics}");
    }
    let (_, logs) = service.get("/logs?tail=50").await;
    assert!(logs.contains("serving"), "{logs}");
}
