//! What clients get wrong, and what they are told.

use bytes::Bytes;
use domain::Timestamp;
use http::{Method, Request};
use http_body_util::Full;

use crate::bench::{Bench, CHAT, KEY, config, grant, post, routes, snapshot};
use crate::upstream::{Act, Upstream};

#[tokio::test]
async fn each_mistake_has_its_status_and_code() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let path = "/v1/chat/completions";
    let unknown_model = CHAT.replace("demo", "nonesuch");
    for (request, status, code) in [
        (post(path, "sk-wrong", CHAT), 401, "invalid_api_key"),
        (post(path, KEY, &unknown_model), 404, "model_not_found"),
        (post(path, KEY, "{\"model\":"), 400, "invalid_json"),
        (post(path, KEY, ""), 400, "invalid_json"),
        (post(path, KEY, "{}"), 400, "missing_model"),
        (post("/v1/nonesuch", KEY, CHAT), 404, "unknown_url"),
        (post("/v1/models", KEY, CHAT), 405, "method_not_allowed"),
    ] {
        let uri = request.uri().clone();
        let answer = bench.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{uri} {answer:?}");
        assert!(answer.header("x-request-id").starts_with("req_"));
        let error = &answer.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
        assert!(error.get("param").is_some());
    }
    let no_key = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(Bytes::from(CHAT)));
    assert_eq!(bench.send(no_key.expect("a request")).await.status, 401);
    assert_eq!(bench.send(post("/v1/models", KEY, "")).await.header("allow"), "GET, HEAD, OPTIONS");
    assert!(upstream.seen().requests.is_empty(), "nothing of this reaches a replica");
}

#[tokio::test]
async fn a_body_of_33_megabytes_is_refused_and_the_next_request_is_served() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let body = format!(r#"{{"model":"demo","messages":[{{"role":"user","content":"{}"}}]}}"#, "x".repeat(33 << 20));
    let answer = bench.chat(&body).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "request_too_large"));
    assert_eq!(bench.chat(CHAT).await.status, 200);
}

#[tokio::test]
async fn a_large_body_within_the_limit_arrives_whole() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let body = format!(r#"{{"model":"demo:1.0","input":"{}"}}"#, "0123456789".repeat(300_000));
    let answer = bench.send(post("/v1/embeddings", KEY, &body)).await;
    assert_eq!(answer.status, 200);
    assert!(upstream.seen().requests[0].ends_with(&body));
}

#[tokio::test]
async fn keys_cover_the_models_they_name_until_they_expire() {
    let upstream = Upstream::start().await;
    let mut snapshot = snapshot(1, routes(&[&upstream]));
    let other = snapshot.models["demo"].clone();
    snapshot
        .models
        .insert("other".to_owned(), domain::ModelRoute { model: "other:2".parse().expect("a model"), ..other });
    let mut narrow = grant("key-narrow");
    narrow.models = vec!["demo".to_owned()];
    let mut expired = grant("key-expired");
    expired.expires_at = Some(Timestamp(1));
    snapshot.keys.insert(access::api_key::hash("sk-narrow"), narrow);
    snapshot.keys.insert(access::api_key::hash("sk-expired"), expired);
    let bench = Bench::with_snapshot(&snapshot, config()).await;
    let path = "/v1/chat/completions";

    assert_eq!(bench.send(post(path, "sk-narrow", CHAT)).await.status, 200);
    let refused = bench.send(post(path, "sk-narrow", &CHAT.replace("demo", "other"))).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (404, "model_not_found"));
    let refused = bench.send(post(path, "sk-expired", CHAT)).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "expired_api_key"));

    let listed = |answer: crate::bench::Answer| -> Vec<String> {
        let data = answer.json()["data"].as_array().expect("a list").clone();
        data.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(listed(bench.get("/v1/models").await), ["demo", "demo:1.0", "other"]);
    let narrow = Request::get("/v1/models")
        .header("host", "localhost")
        .header("authorization", "Bearer sk-narrow")
        .body(Full::default());
    assert_eq!(listed(bench.send(narrow.expect("a request")).await), ["demo"]);
    assert_eq!(bench.get("/v1/models/demo%3A1.0").await.json()["object"], "model");
}

#[tokio::test]
async fn what_a_replica_says_of_the_request_is_passed_on() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Status(422, "x-detail: 1\r\nkeep-alive: timeout=5\r\n"));
    let bench = Bench::over(&[&upstream], config()).await;
    let answer = bench.chat(CHAT).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-detail"), answer.header("keep-alive")), (422, "1", ""));
    assert_eq!(upstream.seen().requests.len(), 1, "the request is at fault: nobody else is asked");
}
