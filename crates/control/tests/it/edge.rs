//! The REST API behind its port: what slow, foreign and mistaken clients get.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, ControlConfig};
use domain::SystemClock;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;
use state::MemoryStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::house::TOKEN;

const PATIENCE: Duration = Duration::from_secs(60);

/// The port, until it is dropped.
struct Port {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(connections_max: usize) -> Port {
    let config = ControlConfig { connections_max, ..ControlConfig::new(TOKEN, "control-1") };
    let (store, rng) = (Arc::new(MemoryStore::new()), StdRng::seed_from_u64(1));
    let control = Control::new(config, store, Vec::new(), Arc::new(SystemClock), rng).expect("a sound configuration");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, stop) = (listener.local_addr().expect("bound"), CancellationToken::new());
    let until = stop.clone();
    telemetry::tasks::spawn("test_control", async move { control.serve(listener, until).await });
    Port { address, stop }
}

impl Port {
    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    async fn ask(&self, text: &str) -> String {
        let (mut stream, mut bytes) = (self.send(text).await, Vec::new());
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("in time");
        read.expect("an answer");
        String::from_utf8_lossy(&bytes).to_lowercase()
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn mistakes_have_their_status() {
    let port = serve(64).await;
    let known = format!("authorization: Bearer {TOKEN}\r\n");
    let typed = format!("{known}content-type: text/plain\r\n");
    let key = json!({ "name": "ci" }).to_string();
    for (text, status, holds) in [
        (request("GET", "/healthz", "", ""), 200, "content-length: "),
        (request("HEAD", "/healthz", "", ""), 200, "content-length: "),
        (request("GET", "/v1/keys", "", ""), 401, "www-authenticate: bearer"),
        (request("GET", "/v1/keys", "authorization: Bearer wrong\r\n", ""), 401, "www-authenticate: bearer"),
        (request("DELETE", "/v1/models", &known, ""), 405, "allow: "),
        (request("GET", "/v1/nonesuch", &known, ""), 404, "openapi.json"),
        (request("POST", "/v1/keys", &typed, "{"), 400, "the body"),
        (request("POST", "/v1/keys", &typed, &key), 201, "secret"),
        (request("POST", "/v1/keys", &known, &"[".repeat(5_000)), 400, "the body"),
        (request("POST", "/v1/keys", &known, &format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20))), 413, "larger"),
        (request("POST", "/v1/keys", &format!("{known}content-encoding: compress\r\n"), &key), 415, "accept-encoding"),
        (request("GET", "/healthz", "", "").replace("localhost", "evil.example"), 403, "another host"),
        (request("GET", "/healthz", "", "").replace("host: localhost\r\n", ""), 400, "'host' header"),
    ] {
        let answer = port.ask(&text).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")) && answer.contains(holds), "{text:.200}: {answer}");
        assert!(!text.starts_with("HEAD") || answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn idle_connections_shut_nobody_out() {
    let port = serve(8).await;
    let mut idle = Vec::new();
    for number in 0..100 {
        idle.push(port.send(["", "GET / HT"][number % 2]).await);
    }
    assert!(port.ask(&request("GET", "/healthz", "", "")).await.starts_with("http/1.1 200 "));
}
