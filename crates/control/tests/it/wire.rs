//! The whole way: REST over a socket, reconcilers at their own pace, MCP over HTTP, and the cloud on this machine with
//! real processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::token::Signer;
use cloud::client::{ClientConfig, CloudClient, SignedTokens};
use cloud::local::{LocalCloud, LocalCloudConfig};
use cloud::server::ServerAccess;
use control::api::types::{DeploymentPhase, DeploymentView, ListOf, ReplicaLogs};
use control::clouds::client::CloudClientPort;
use control::{CloudPort, Control, ControlConfig};
use domain::{ReplicaPhase, SystemClock};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use state::{MemoryStore, SharedStore};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::house::{TOKEN, write_model};
use crate::stand_in;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

struct Installation {
    cloud: Arc<LocalCloud>,
    url: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<Option<()>>>,
}

impl Installation {
    /// Starts everything on a store and a folder, as one process would.
    async fn start(store: &SharedStore, folder: &std::path::Path) -> Self {
        let shutdown = CancellationToken::new();
        let mut tasks = Vec::new();
        let signer = Arc::new(Signer::generate(&mut StdRng::seed_from_u64(1)).expect("a key"));
        let config = LocalCloudConfig {
            root: folder.join("cloud"),
            command: stand_in::command(),
            drain_seconds: 1,
            ..LocalCloudConfig::default()
        };
        let cloud = LocalCloud::open(config, store.clone(), Arc::new(SystemClock)).await.expect("it opens");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let audience = format!("http://{}/local/mcp", listener.local_addr().expect("bound"));
        let router = cloud.router(ServerAccess::new(signer.verifier(), &audience)).expect("a router");
        let (settings, stop) = (listener::Settings::new("test"), shutdown.clone());
        let serving = listener::serve(listener, settings, listener::Tower(router), stop);
        tasks.push(telemetry::tasks::spawn("test_cloud_server", serving));
        tasks.push(telemetry::tasks::spawn("test_cloud", cloud.clone().run(shutdown.clone())));

        let tokens = Arc::new(SignedTokens::new(signer, "control", &["operator"], 300));
        let clock = Arc::new(SystemClock);
        let client = CloudClient::new("local", &audience, tokens, clock.clone(), ClientConfig::default());
        let port: Arc<dyn CloudPort> =
            Arc::new(CloudClientPort::new("local".parse().expect("a name"), client.expect("a client")));
        let rng = StdRng::from_os_rng();
        let control = Control::new(ControlConfig::new(TOKEN, "control-1"), store.clone(), vec![port], clock, rng);
        let control = control.expect("a sound configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (serving, stop) = (control.clone(), shutdown.clone());
        tasks.push(telemetry::tasks::spawn("test_control_api", async move {
            serving.serve(listener, stop).await.expect("it served");
        }));
        let stop = shutdown.clone();
        tasks.push(telemetry::tasks::spawn("test_reconcilers", async move { control.run_reconcilers(stop).await }));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { cloud, url, client, shutdown, tasks }
    }

    /// Everything ends but the instances, as when the process is killed.
    async fn abandon(self) {
        self.shutdown.cancel();
        drop(self.client);
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task).await.expect("it ends in time").expect("it ran");
        }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.send(reqwest::Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn view(&self) -> Option<DeploymentView> {
        let (status, answer) = self.send(reqwest::Method::GET, "/v1/deployments/demo-production", None).await;
        (status == 200).then(|| serde_json::from_value(answer).expect("a deployment"))
    }

    /// The view once `done` holds of it.
    async fn until(&self, what: &str, done: impl Fn(Option<&DeploymentView>) -> bool) -> Option<DeploymentView> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.view().await;
            if done(view.as_ref()) {
                return view;
            }
            assert!(Instant::now() < deadline, "not {what} in time: {view:#?}");
            // The world outside changes without telling: look again in a moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn ready(view: Option<&DeploymentView>, replicas: u32) -> bool {
    view.is_some_and(|view| view.phase == DeploymentPhase::Ready && view.replicas_ready == replicas)
}

fn ids(view: &DeploymentView) -> BTreeSet<String> {
    let ready = |replica: &&control::api::types::ReplicaView| replica.phase == ReplicaPhase::Ready;
    view.sites.iter().flat_map(|site| &site.replicas).filter(ready).map(|replica| replica.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_model_file_to_the_loss_of_a_site_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: SharedStore = Arc::new(MemoryStore::new());
    let house = Installation::start(&store, folder.path()).await;
    let path = write_model(folder.path(), "demo.gguf", "llama", 0);
    house.post("/v1/models", json!({ "name": "demo", "version": "1.0", "path": path })).await;
    house
        .post("/v1/environments", json!({ "name": "production", "type": "cpu", "resources": "cpu=1,memory=1Gi" }))
        .await;
    let wish = json!({ "model": "demo:1.0", "environment": "production", "replicas": 3 });
    // The clouds may not have been heard yet: then the answer says so, and may be asked for again.
    let deadline = Instant::now() + PATIENCE;
    while house.send(reqwest::Method::POST, "/v1/deployments", Some(wish.clone())).await.0 == 503 {
        assert!(Instant::now() < deadline);
    }
    let first = house.until("ready", |view| ready(view, 3)).await.expect("it is there");
    assert_eq!(first.sites.len(), 3, "one a site: {first:#?}");
    assert!(first.price_per_hour.0 > 0);
    assert!((first.tokens_per_second - 60.0).abs() < 1e-9, "{first:#?}");
    check_logs(&house, &first).await;

    let lost = first.sites[0].site.site.to_string();
    let out_since = Instant::now();
    house.cloud.set_outage(&lost, true, "a test").await.expect("a site");
    let elsewhere = |view: Option<&DeploymentView>| {
        view.is_some_and(|view| ids(view).len() == 3 && view.sites.iter().all(|site| site.site.site.as_str() != lost))
    };
    house.until("replaced", elsewhere).await;
    let took = out_since.elapsed();
    // Two seconds where there is time; machines that run tests are busy.
    assert!(took < Duration::from_secs(60), "replaced after {took:?}");
    house.cloud.set_outage(&lost, false, "a test").await.expect("a site");
    let mended = house.until("mended", |view| ready(view, 3) && view.is_some_and(|v| v.sites.len() == 3)).await;
    let mended = mended.expect("it is there");

    house.abandon().await;
    let house = Installation::start(&store, folder.path()).await;
    let again = house.until("found again", |view| ready(view, 3)).await.expect("it is there");
    assert_eq!(ids(&again), ids(&mended), "the same processes, none doubled");
    house.send(reqwest::Method::PATCH, "/v1/deployments/demo-production", Some(json!({ "replicas": 1 }))).await;
    let one = house.until("smaller", |view| ready(view, 1) && view.is_some_and(|v| v.sites.len() == 1)).await;
    assert!(ids(&one.expect("it is there")).is_subset(&ids(&mended)), "what stays was not touched");
    house.send(reqwest::Method::DELETE, "/v1/deployments/demo-production", None).await;
    house.until("gone", |view| view.is_none()).await;
    let left = house.cloud.stop_all(Duration::from_secs(5)).await;
    assert_eq!((left.ended, left.killed), (0, 0), "nothing was left to stop");
    house.abandon().await;
}

async fn check_logs(house: &Installation, view: &DeploymentView) {
    let path = "/v1/deployments/demo-production/logs?tail=2";
    let (_, answer) = house.send(reqwest::Method::GET, path, None).await;
    let logs: ListOf<ReplicaLogs> = serde_json::from_value(answer).expect("logs");
    let told: BTreeSet<String> =
        logs.items.iter().filter(|logs| logs.lines.len() == 2).map(|l| l.replica.clone()).collect();
    assert_eq!(told, ids(view), "{logs:?}");
}
