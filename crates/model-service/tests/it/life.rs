//! From start to end: what cannot start says why, clients that leave free their places, a full queue and a drain.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use futures_util::StreamExt as _;

use crate::gguf;
use crate::service::{Service, chunks, command, endless, wait_for};

#[tokio::test]
async fn what_is_no_model_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = gguf::bytes(gguf::TINY);
    let cases: [(&str, &[u8], &str); 4] = [
        ("text.gguf", b"this is no model", "no GGUF file"),
        ("empty.gguf", b"", "no GGUF file"),
        ("cut-data.gguf", &whole[..whole.len() / 2], "cannot load"),
        ("cut-head.gguf", &whole[..200], "cannot load"),
    ];
    for (name, bytes, reason) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        refused(&path, &[], reason).await;
    }
    refused(&folder.path().join("missing.gguf"), &[], "cannot read").await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = gguf::write(folder.path(), gguf::TINY);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    refused(&model, &["--port", &port], "cannot listen").await;
}

async fn refused(model: &Path, arguments: &[&str], reason: &str) {
    let mut process = command(model).args(arguments).stderr(Stdio::piped()).spawn().expect("it starts");
    let status = wait_for("the refusal", async || process.try_wait().expect("its state")).await;
    let mut said = String::new();
    process.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(reason), "{reason} in {said}");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let service = Service::start(gguf::SLOW, &["--parallel", "1"]).await;
    let mut stream = service.post("/v1/completions", &endless("hello")).await.bytes_stream();
    stream.next().await.expect("a chunk").expect("bytes");
    assert_eq!(service.health().await["running"], 1);
    drop(stream);
    service.wait_for("running", 0).await;
    let (_, metrics) = service.get("/metrics").await;
    assert!(metrics.contains(r#"mastercontrol_engine_requests_total{outcome="cancelled"} 1"#), "{metrics}");
    assert!(!metrics.contains(r#"outcome="length""#), "it did not run to the end: {metrics}");
}

#[tokio::test]
async fn beyond_the_queue_there_is_429() {
    let service = Service::start(gguf::SLOW, &["--parallel", "1", "--queue", "1"]).await;
    let mut running = service.post("/v1/completions", &endless("hello")).await.bytes_stream();
    running.next().await.expect("a chunk").expect("bytes");
    let body = endless("wait");
    let waiting = service.post("/v1/completions", &body);
    let refused = async {
        service.wait_for("waiting", 1).await;
        let response = service.post("/v1/completions", &endless("too many")).await;
        assert_eq!(response.status().as_u16(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        let error: serde_json::Value = response.json().await.expect("JSON");
        assert_eq!(error["error"]["type"], "rate_limit_error");
        // The place comes free, and the one that waits gets it.
        drop(running);
    };
    let (waited, ()) = tokio::join!(waiting, refused);
    assert_eq!(waited.status().as_u16(), 200);
}

#[tokio::test]
async fn sigterm_finishes_what_runs_and_takes_nothing_new() {
    let mut service =
        Service::start(gguf::SLOW, &["--parallel", "1", "--context-tokens", "1024", "--drain-seconds", "300"]).await;
    let response = service.post("/v1/completions", &endless("hello")).await;
    service.terminate();
    wait_for("draining", async || (service.health().await["status"] == "draining").then_some(())).await;
    let refused = service.post("/v1/completions", &endless("late")).await;
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let answer = response.text().await.expect("the whole stream");
    let ended = chunks(&answer);
    assert_eq!(ended.last().expect("a chunk")["choices"][0]["finish_reason"], "length");
    assert_eq!(service.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let mut service = Service::start(gguf::SLOW, &["--parallel", "1", "--drain-seconds", "0"]).await;
    let mut running = service.post("/v1/completions", &endless("hello")).await.bytes_stream();
    running.next().await.expect("a chunk").expect("bytes");
    service.terminate();
    assert_eq!(service.exit().await.code(), Some(0));
}
