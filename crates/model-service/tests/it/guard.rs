//! Who may ask, and what the process can still do: as the cloud starts it.

use sha2::{Digest as _, Sha256};

use crate::gguf;
use crate::service::{Service, chat, text};

const CREDENTIAL: &str = "what the gateway shows";

/// A service that knows one caller and is confined, and a folder that lives as long.
async fn start() -> (Service, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let callers = folder.path().join("callers");
    let digest: String = Sha256::digest(CREDENTIAL).iter().map(|byte| format!("{byte:02x}")).collect();
    files::write_private(&callers, digest.as_bytes()).expect("written");
    let callers = callers.to_str().expect("text").to_owned();
    let arguments = ["--callers", &callers, "--confine-memory-bytes", "268435456"];
    (Service::start(gguf::TINY, &arguments).await, folder)
}

#[tokio::test]
async fn every_path_wants_the_credential_and_health_tells_others_one_word() {
    let (service, _folder) = start().await;
    let paths = ["/v1/models", "/metrics", "/logs", "/nowhere", "/health/", "/v1/chat/completions", "/tokenize"];
    for path in paths {
        for credential in [None, Some("another"), Some("")] {
            for method in [reqwest::Method::GET, reqwest::Method::POST] {
                let mut request = service.client.request(method, format!("{}{path}", service.url));
                if let Some(credential) = credential {
                    request = request.bearer_auth(credential);
                }
                let answer = request.send().await.expect("an answer");
                assert_eq!(answer.status(), 401, "{path} {credential:?}");
                assert!(answer.headers().contains_key("www-authenticate"), "{path}");
            }
        }
    }
    assert_eq!(service.get("/health").await, (200, r#"{"status":"ok"}"#.to_owned()));
    let ask = |path: &str| service.client.get(format!("{}{path}", service.url)).bearer_auth(CREDENTIAL);
    let health: serde_json::Value = ask("/health").send().await.expect("it").json().await.expect("JSON");
    assert_eq!(health["instance_id"], "i-7");
    for path in ["/v1/models", "/metrics", "/logs"] {
        assert_eq!(ask(path).send().await.expect("an answer").status(), 200, "{path}");
    }
    let request = service.client.post(format!("{}/v1/chat/completions", service.url)).bearer_auth(CREDENTIAL);
    let answer = request.json(&chat("hello", 4)).send().await.expect("an answer").json().await.expect("JSON");
    assert!(!text(&answer).is_empty(), "a confined process computes: {answer}");
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let (service, _folder) = start().await;
    for (host, wanted) in [("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost", 200)] {
        let request = service.client.get(format!("{}/v1/models", service.url)).header("host", host);
        let answer = request.bearer_auth(CREDENTIAL).send().await.expect("an answer");
        assert_eq!(answer.status(), wanted, "{host}");
    }
}

#[tokio::test]
async fn the_process_as_the_system_sees_it_is_confined() {
    let (service, _folder) = start().await;
    let pid = service.ready["pid"].as_u64().expect("a number");
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("its state");
    let status = read("status");
    assert!(status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"])), "{status}");
    let limits = read("limits");
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
        line[name.len()..].split_whitespace().next().expect("a number").to_owned()
    };
    assert_eq!(soft("Max core file size"), "0");
    assert_ne!(soft("Max data size"), "unlimited");
}
