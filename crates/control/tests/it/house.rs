//! A whole control plane for a test: store, cloud, clock, a gateway that acknowledges, and the API without a socket.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use control::{CloudPort, Control, ControlConfig, Reconcilers};
use domain::{Clock, GatewayStatus, ManualClock, ModelDemand, RoutingSnapshot, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use state::objects::{get, put};
use state::{Batch, Expect, MemoryStore, Store as _};
use tower::ServiceExt as _;

use crate::fake_cloud::FakeCloud;
use crate::fuse::{Fuse, FusedStore};

pub const TOKEN: &str = "a-token-for-tests-only";

pub struct House {
    pub store: Arc<MemoryStore>,
    pub cloud: Arc<FakeCloud>,
    pub clock: Arc<ManualClock>,
    pub fuse: Arc<Fuse>,
    pub control: Control,
    /// Whether a gateway runs, and what it has in flight on draining replicas.
    pub gateway: Option<std::collections::BTreeMap<String, u32>>,
    /// What is asked of `demo:1.0`, and how much more with every step.
    pub demand: ModelDemand,
    pub requests_per_step: u64,
    /// A process that goes on from step to step; without one, each step is another process.
    pub running: Option<Reconcilers>,
    pub folder: tempfile::TempDir,
    starts: u64,
}

impl House {
    pub fn new() -> Self {
        let fuse = Fuse::endless();
        let store = Arc::new(MemoryStore::new());
        let cloud = Arc::new(FakeCloud::new(fuse.clone()));
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000_000)));
        let control = start(&store, &cloud, &clock, &fuse, 0);
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            store,
            cloud,
            clock,
            fuse,
            control,
            gateway: Some(Default::default()),
            demand: ModelDemand::default(),
            requests_per_step: 0,
            running: None,
            folder,
            starts: 0,
        }
    }

    /// Another process beside this one, on the same state.
    pub fn neighbour(&self) -> Control {
        start_as("control-2", &self.store, &self.cloud, &self.clock, &self.fuse, 77)
    }

    /// A process that keeps its admin token when it is rotated.
    pub fn with_token_keeper(&self, kept: Arc<std::sync::Mutex<String>>) -> Control {
        let mut config = ControlConfig::new(TOKEN, "control-3");
        config.keep_admin_token = Some(Arc::new(move |token: &str| {
            token.clone_into(&mut kept.lock().expect("nobody panicked"));
            Ok(())
        }));
        let clouds: Vec<Arc<dyn CloudPort>> = vec![self.cloud.clone()];
        Control::new(config, self.store.clone(), clouds, self.clock.clone(), StdRng::seed_from_u64(9)).expect("sound")
    }

    /// The process is gone, and another is started on the same state.
    pub fn restart(&mut self) {
        self.starts += 1;
        self.fuse.arm(i64::MAX, false);
        self.control = start(&self.store, &self.cloud, &self.clock, &self.fuse, self.starts);
    }

    /// One run of every reconciler, and half a second for the rest of the world. False when the fuse blew.
    pub async fn step(&mut self) -> bool {
        let mut running = self.running.take();
        let run = async {
            match &mut running {
                Some(reconcilers) => reconcilers.run_once().await,
                None => self.control.reconcile_once().await,
            }
        };
        let survived = tokio::select! {
            biased;
            () = self.fuse.blown() => false,
            () = run => true,
        };
        self.running = running;
        self.demand.arrived += self.requests_per_step;
        self.acknowledge().await;
        self.cloud.pass_time();
        self.clock.advance_micros(500_000);
        survived
    }

    /// Steps until `done`, or panics after `most` steps.
    pub async fn until(&mut self, most: u32, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..most {
            if done(self) {
                return;
            }
            assert!(self.step().await, "the fuse blew");
        }
        panic!("not {what} after {most} steps: pools {:?}", self.cloud.sizes());
    }

    /// Somebody sets the wall clock of this machine.
    pub fn step_wall_seconds(&self, seconds: i64) {
        self.clock.step_wall_micros(seconds * 1_000_000);
    }

    pub async fn acknowledge(&self) {
        let Some(draining) = &self.gateway else { return };
        let Some(snapshot) = self.snapshot().await else { return };
        let status = GatewayStatus {
            gateway: "gateway-1".to_owned(),
            snapshot_version: snapshot.version,
            draining: draining.clone(),
            at: self.clock.now(),
            started_at: Timestamp(1_600_000_000_000_000),
            demand: [("demo:1.0".to_owned(), self.demand)].into(),
            deadly: Vec::new(),
        };
        let write = put(&status, Expect::Any).expect("it serialises");
        self.store.commit(Batch::new().with(write)).await.expect("the store takes it");
    }

    pub async fn snapshot(&self) -> Option<RoutingSnapshot> {
        let read = get::<RoutingSnapshot>(&*self.store, "current").await.expect("it reads");
        read.map(|read| read.value)
    }

    /// Replicas that take requests for `demo:1.0`, by id.
    pub async fn routed(&self) -> Vec<String> {
        let snapshot = self.snapshot().await.unwrap_or_default();
        let routes = snapshot.models.get("demo:1.0").map(|model| model.replicas.clone()).unwrap_or_default();
        routes.into_iter().filter(|route| !route.draining).map(|route| route.id).collect()
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(body)
            .expect("a request");
        self.send(request).await
    }

    pub async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.control.router().oneshot(request).await.expect("the router never fails");
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// A call that has to succeed.
    pub async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }

    /// Registers `demo:1.0` and creates `production`.
    pub async fn furnish(&self) {
        let path = write_model(self.folder.path(), "demo.gguf", "llama", 0);
        self.done("POST", "/v1/models", Some(json!({ "name": "demo", "version": "1.0", "path": path }))).await;
        let environment = json!({ "name": "production", "type": "cpu", "resources": "cpu=1,memory=1Gi" });
        self.done("POST", "/v1/environments", Some(environment)).await;
    }

    pub async fn deploy(&self, replicas: u32) -> Value {
        let body = json!({ "model": "demo:1.0", "environment": "production", "replicas": replicas });
        self.done("POST", "/v1/deployments", Some(body)).await
    }

    pub async fn scale(&self, replicas: u32) {
        self.done("PATCH", "/v1/deployments/demo-production", Some(json!({ "replicas": replicas }))).await;
    }
}

fn start(
    store: &Arc<MemoryStore>,
    cloud: &Arc<FakeCloud>,
    clock: &Arc<ManualClock>,
    fuse: &Arc<Fuse>,
    seed: u64,
) -> Control {
    start_as("control-1", store, cloud, clock, fuse, seed)
}

fn start_as(
    holder: &str,
    store: &Arc<MemoryStore>,
    cloud: &Arc<FakeCloud>,
    clock: &Arc<ManualClock>,
    fuse: &Arc<Fuse>,
    seed: u64,
) -> Control {
    let store = Arc::new(FusedStore { inner: store.clone(), fuse: fuse.clone() });
    let clouds: Vec<Arc<dyn CloudPort>> = vec![cloud.clone()];
    let config = ControlConfig::new(TOKEN, holder);
    Control::new(config, store, clouds, clock.clone(), StdRng::seed_from_u64(seed)).expect("a sound configuration")
}

/// A GGUF file with one tensor of 64 weights, all of them `filling`.
pub fn write_model(folder: &Path, name: &str, architecture: &str, filling: u8) -> PathBuf {
    let path = folder.join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(&model_bytes(architecture, filling)).expect("room on the disk");
    path
}

pub fn model_bytes(architecture: &str, filling: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    bytes.extend_from_slice(b"GGUF");
    bytes.extend_from_slice(&3_u32.to_le_bytes());
    bytes.extend_from_slice(&1_u64.to_le_bytes());
    bytes.extend_from_slice(&4_u64.to_le_bytes());
    text(&mut bytes, "general.architecture");
    bytes.extend_from_slice(&8_u32.to_le_bytes());
    text(&mut bytes, architecture);
    text(&mut bytes, "general.name");
    bytes.extend_from_slice(&8_u32.to_le_bytes());
    text(&mut bytes, "A small one");
    text(&mut bytes, &format!("{architecture}.context_length"));
    bytes.extend_from_slice(&4_u32.to_le_bytes());
    bytes.extend_from_slice(&512_u32.to_le_bytes());
    text(&mut bytes, "tokenizer.ggml.tokens");
    bytes.extend_from_slice(&9_u32.to_le_bytes());
    bytes.extend_from_slice(&8_u32.to_le_bytes());
    bytes.extend_from_slice(&2_u64.to_le_bytes());
    text(&mut bytes, "a");
    text(&mut bytes, "b");
    text(&mut bytes, "token_embd.weight");
    bytes.extend_from_slice(&2_u32.to_le_bytes());
    bytes.extend_from_slice(&32_u64.to_le_bytes());
    bytes.extend_from_slice(&2_u64.to_le_bytes());
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.resize(bytes.len() + 64 * 4, filling);
    bytes
}
