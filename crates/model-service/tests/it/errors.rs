//! Bad input: OpenAI's error object, the right status, and a service that goes on.

use serde_json::{Value, json};

use crate::service::{Service, chat};

#[tokio::test]
async fn every_refusal_has_its_status_and_names_the_field() {
    let service = Service::tiny().await;
    let with = |field: &str, value: Value| {
        let mut body = chat("hello", 2);
        body[field] = value;
        body
    };
    let schema = |schema: Value| json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}});
    let cases = [
        (with("temprature", json!(1)), 400, "temprature"),
        (with("temperature", json!(3)), 400, "temperature"),
        (with("top_p", json!(-1)), 400, "top_p"),
        (with("n", json!(2)), 400, "n"),
        (with("max_tokens", json!(0)), 400, "max_tokens"),
        (with("top_logprobs", json!(3)), 400, "top_logprobs"),
        (with("tools", json!([{"type": "function"}])), 400, "tools"),
        (with("logit_bias", json!({"x": 1})), 400, "logit_bias"),
        (with("logit_bias", json!({"999999": 1})), 400, "logit_bias"),
        (with("tool_choice", json!("required")), 400, "tool_choice"),
        (with("stop", json!(vec!["x"; 17])), 400, "stop"),
        (with("grammar", json!("root ::= <[99999999]>")), 400, "grammar"),
        (
            with("response_format", schema(json!({"type": "integer", "minimum": 9, "maximum": 1}))),
            400,
            "response_format",
        ),
        (with("response_format", schema(json!({"not": {}}))), 400, "response_format"),
        (with("grammar", json!("root ::= (")), 400, "grammar"),
        (with("grammar", json!("root ::= root \"a\"")), 400, "grammar"),
        (with("response_format", schema(json!({"$ref": "#/nowhere"}))), 400, "response_format"),
        (with("messages", json!([])), 400, "messages"),
        (with("messages", json!([{"role": "robot", "content": "x"}])), 400, "messages.0.role"),
        (
            with("messages", json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}])),
            400,
            "messages.0.content",
        ),
        (with("model", json!("other")), 404, "model"),
    ];
    for (body, status, field) in cases {
        let response = service.post("/v1/chat/completions", &body).await;
        assert_eq!(response.status().as_u16(), status, "{field}");
        let error: Value = response.json().await.expect("JSON");
        assert_eq!(error["error"]["param"], field, "{error}");
        assert!(
            error["error"]["message"].as_str().is_some_and(|m| !m.is_empty()) && error["error"]["type"].is_string()
        );
    }
    assert_eq!(service.health().await["status"], "ok");
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_told_so() {
    let service = Service::tiny().await;
    for words in [600, 200_000] {
        let response = service.post("/v1/chat/completions", &chat(&"zq ".repeat(words), 2)).await;
        assert_eq!(response.status().as_u16(), 400);
        let error: Value = response.json().await.expect("JSON");
        assert_eq!(error["error"]["code"], "context_length_exceeded", "{error}");
    }
    let embedding = json!({"model": "tiny", "input": "zq ".repeat(600)});
    let error: Value = service.post("/v1/embeddings", &embedding).await.json().await.expect("JSON");
    assert_eq!(
        (&error["error"]["code"], &error["error"]["param"]),
        (&json!("context_length_exceeded"), &json!("input")),
        "{error}"
    );
    // A request that would run over the end is cut there instead.
    let answer = service
        .ask("/v1/completions", &json!({"model": "tiny", "prompt": "hello", "max_tokens": 9_999, "ignore_eos": true}))
        .await;
    assert_eq!(answer["usage"]["total_tokens"], 512);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn broken_bodies_are_refused() {
    let service = Service::tiny().await;
    let send = async |body: Vec<u8>| {
        let response = service.client.post(format!("{}/v1/chat/completions", service.url)).body(body).send().await;
        let response = response.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
    };
    for body in [&b""[..], b"{", b"[]", b"nonsense", b"\xff\xfe", br#"{"model":"tiny","messages":"hello"}"#] {
        let (status, error) = send(body.to_vec()).await;
        assert_eq!((status, &error["error"]["type"]), (400, &json!("invalid_request_error")), "{error}");
    }
    let (status, error) = send(vec![b' '; 33 * 1024 * 1024]).await;
    assert_eq!(status, 413, "{error}");
    let (status, body) = service.get("/v1/nowhere").await;
    assert!(status == 404 && body.contains(r#""error""#), "{body}");
    let (status, body) = service.get("/v1/chat/completions").await;
    assert!(status == 405 && body.contains(r#""error""#), "{body}");
    let (status, body) = service.get("/logs?tial=3").await;
    assert!(status == 400 && body.contains(r#""error""#), "{body}");
}

#[tokio::test]
async fn token_ids_are_checked() {
    let service = Service::tiny().await;
    for tokens in [json!([-1]), json!([999_999]), json!([])] {
        let completion = json!({"model": "tiny", "prompt": tokens, "max_tokens": 1});
        assert_eq!(service.post("/v1/completions", &completion).await.status().as_u16(), 400, "{tokens}");
        let embedding = json!({"model": "tiny", "input": tokens});
        assert_eq!(service.post("/v1/embeddings", &embedding).await.status().as_u16(), 400, "{tokens}");
    }
}
