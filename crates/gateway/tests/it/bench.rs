//! A gateway with its replicas and a client, for one test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{KeyGrant, ModelRoute, Money, ReplicaRoute, RoutingSnapshot, SystemClock, Timestamp};
use gateway::{Gateway, GatewayConfig, MetricsPage};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use state::SharedStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::upstream::Upstream;

pub const KEY: &str = "sk-test-key-that-may-call-everything";
pub const CHAT: &str = r#"{"model":"demo","messages":[{"role":"user","content":"hi"}]}"#;
pub const CHAT_STREAM: &str = r#"{"model":"demo","messages":[{"role":"user","content":"hi"}],"stream":true}"#;

/// A gateway that serves.
pub struct Bench {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    serving: JoinHandle<Option<std::io::Result<()>>>,
    _folder: tempfile::TempDir,
}

/// An answer read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Fast probes, short times, so that tests wait for little.
pub fn config() -> GatewayConfig {
    GatewayConfig {
        probe_interval_ms: 40,
        probe_timeout_ms: 5_000,
        keep_alive_ms: 30,
        patience_ms: 100,
        ..GatewayConfig::default()
    }
}

pub fn replica(id: &str, url: &str) -> ReplicaRoute {
    ReplicaRoute {
        id: id.to_owned(),
        deployment: "demo-production".parse().expect("a name"),
        site: "local/us-east".parse().expect("a site"),
        location: None,
        url: url.to_owned(),
        credential: None,
        draining: false,
        price_per_hour: Money::ZERO,
    }
}

pub fn grant(id: &str) -> KeyGrant {
    KeyGrant { id: id.to_owned(), name: id.to_owned(), models: Vec::new(), project: None, expires_at: None }
}

/// A snapshot of one model, `demo` and `demo:1.0`, on these replicas.
pub fn snapshot(version: u64, replicas: Vec<ReplicaRoute>) -> RoutingSnapshot {
    let route = ModelRoute {
        model: "demo:1.0".parse().expect("a model"),
        artifact: "/nonexistent/demo.gguf".into(),
        context_tokens: 4_096,
        created_at: Timestamp(1_700_000_000_000_000),
        replicas,
        starts_in_seconds: None,
        shared_prefix_cache: false,
    };
    let models = BTreeMap::from([("demo".to_owned(), route.clone()), ("demo:1.0".to_owned(), route)]);
    let keys = BTreeMap::from([(access::api_key::hash(KEY), grant("key-all"))]);
    RoutingSnapshot { version, made_at: Timestamp(1_700_000_000_000_000), models, keys }
}

pub fn routes(upstreams: &[&Upstream]) -> Vec<ReplicaRoute> {
    upstreams.iter().enumerate().map(|(i, upstream)| replica(&format!("r{i}"), &upstream.url)).collect()
}

/// The same, each dearer than the one before: while all are idle, the first is chosen.
pub fn dearer(upstreams: &[&Upstream]) -> Vec<ReplicaRoute> {
    let mut routes = routes(upstreams);
    for (place, route) in (0_u32..).zip(&mut routes) {
        // So much that it outweighs what the way there seems to take on a busy machine.
        route.price_per_hour = Money::from_dollars(100_000.0 * f64::from(place));
    }
    routes
}

impl Bench {
    /// A gateway over these replicas, by a snapshot on disk.
    pub async fn over(upstreams: &[&Upstream], config: GatewayConfig) -> Self {
        Self::with_snapshot(&snapshot(1, routes(upstreams)), config).await
    }

    pub async fn with_snapshot(snapshot: &RoutingSnapshot, config: GatewayConfig) -> Self {
        Self::start(on_disk(snapshot, config), None, None).await
    }

    pub async fn with_page(snapshot: &RoutingSnapshot, config: GatewayConfig, page: MetricsPage) -> Self {
        Self::start(on_disk(snapshot, config), None, Some(page)).await
    }

    pub async fn with_store(store: SharedStore, config: GatewayConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start((config, folder), Some(store), None).await
    }

    async fn start(
        (config, folder): (GatewayConfig, tempfile::TempDir),
        store: Option<SharedStore>,
        page: Option<MetricsPage>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let mut gateway = Gateway::new(config, store, Arc::new(SystemClock), 7);
        if let Some(page) = page {
            gateway = gateway.with_metrics_page(page);
        }
        let serving = telemetry::tasks::spawn("gateway under test", gateway.serve(listener, stop.clone()));
        Self { address, stop, serving, _folder: folder }
    }

    pub async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.expect("the gateway listens");
        stream.set_nodelay(true).expect("a fresh socket");
        let (sender, driver) = handshake(TokioIo::new(stream)).await.expect("a connection");
        telemetry::tasks::spawn("client", driver);
        sender
    }

    pub async fn chat(&self, body: &str) -> Answer {
        self.send(post("/v1/chat/completions", KEY, body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "localhost").header("authorization", format!("Bearer {KEY}"));
        self.send(request.body(Full::default()).expect("a request")).await
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let mut sender = self.connect().await;
        read(sender.send_request(request).await.expect("an answer")).await
    }

    /// Stops the gateway and waits until it has drained.
    pub async fn stopped(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.serving).await;
        ended.expect("drained in time").expect("joined").expect("no panic").expect("no error");
    }
}

/// A configuration whose snapshot is on disk already.
fn on_disk(snapshot: &RoutingSnapshot, config: GatewayConfig) -> (GatewayConfig, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("snapshot.json");
    std::fs::write(&path, serde_json::to_vec(snapshot).expect("JSON")).expect("written");
    (GatewayConfig { snapshot_file: Some(path), ..config }, folder)
}

pub fn post(path: &str, key: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri(path).header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {key}")).header("content-type", "application/json");
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}

pub async fn read(response: http::Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let collected = tokio::time::timeout(Duration::from_secs(60), body.collect()).await.expect("ends in time");
    let bytes = collected.expect("a whole body").to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(bytes.to_vec()).expect("text") }
}

/// Waits for something that is not announced, by asking again.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
