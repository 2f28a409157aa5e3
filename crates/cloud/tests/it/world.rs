//! A local cloud that is served on a free port, with clients, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::token::Signer;
use cloud::client::{CallError, ClientConfig, CloudClient, SignedTokens};
use cloud::contract::Envelope;
use cloud::contract::tools::{
    DeployModel, DeployModelArgs, GetHealth, GetHealthArgs, Health, InstanceStatus, Nodepool, ScaleNodepool,
    ScaleNodepoolArgs, WriteArgs,
};
use cloud::local::config::{LocalCloudConfig, SpotConfig};
use cloud::local::{LocalCloud, Stopped};
use cloud::server::ServerAccess;
use domain::{Digest, Market, Resources, SystemClock};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::Digest as _;
use state::SharedStore;
use state::memory::MemoryStore;
use tokio_util::sync::CancellationToken;

use crate::stand_in;

/// A folder whose instances end with it, also when a test fails.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for (_, pid) in instances_of(self.path()) {
            kill(pid);
        }
    }
}

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub cloud: Arc<LocalCloud>,
    pub client: CloudClient,
    pub signer: Arc<Signer>,
    pub url: String,
    pub folder: Arc<Folder>,
    shutdown: CancellationToken,
    runs: tokio::task::JoinHandle<Option<()>>,
}

pub fn config(root: &Path) -> LocalCloudConfig {
    let spot = SpotConfig { notice_seconds: 1, seed: Some(7), ..SpotConfig::default() };
    let root = root.join("cloud");
    LocalCloudConfig { root, command: stand_in::command(), drain_seconds: 1, spot, ..LocalCloudConfig::default() }
}

pub fn signer() -> Arc<Signer> {
    Arc::new(Signer::generate(&mut StdRng::seed_from_u64(1)).expect("a key"))
}

pub fn client(url: &str, signer: &Arc<Signer>, subject: &str, role: &str) -> CloudClient {
    let tokens = Arc::new(SignedTokens::new(signer.clone(), subject, &[role], 300));
    CloudClient::new("local", url, tokens, Arc::new(SystemClock), ClientConfig::default()).expect("a client")
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(Arc::new(Folder::new()), Arc::new(MemoryStore::new()), |_| {}).await
    }

    pub async fn start_with(
        folder: Arc<Folder>,
        store: SharedStore,
        change: impl FnOnce(&mut LocalCloudConfig),
    ) -> Self {
        let mut config = config(folder.path());
        change(&mut config);
        let cloud = LocalCloud::open(config, store, Arc::new(SystemClock)).await.expect("it opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/local/mcp", listener.local_addr().expect("bound"));
        let signer = signer();
        let router = cloud.router(ServerAccess::new(signer.verifier(), &url)).expect("a router");
        let shutdown = CancellationToken::new();
        // The server itself knows its names.
        let settings = listener::Settings { hosts: listener::Hosts::Any, ..listener::Settings::new("test") };
        let stop = shutdown.clone();
        telemetry::tasks::spawn("test_server", listener::serve(listener, settings, listener::Tower(router), stop));
        let runs = telemetry::tasks::spawn("test_cloud", cloud.clone().run(shutdown.clone()));
        let client = client(&url, &signer, "control", "operator");
        Self { cloud, client, signer, url, folder, shutdown, runs }
    }

    /// The cloud ends, its instances live on.
    pub async fn abandon(self) -> Arc<Folder> {
        self.shutdown.cancel();
        self.runs.await.expect("it ran");
        self.folder
    }

    /// All ends, in order.
    pub async fn stop(self) -> Stopped {
        let stopped = self.cloud.stop_all(Duration::from_secs(5)).await;
        let folder = self.abandon().await;
        assert_eq!(instances_of(folder.path()), [], "nothing is left");
        stopped
    }

    pub async fn deploy(&self, region: &str, replicas: u32, token: &str) -> Result<Envelope<Nodepool>, CallError> {
        self.client.call::<DeployModel>(&self.deploy_args(region, replicas, token)).await
    }

    pub fn deploy_args(&self, region: &str, replicas: u32, token: &str) -> DeployModelArgs {
        deploy_args(self.folder.path(), "a model", region, replicas, token)
    }

    pub async fn scale(
        &self,
        region: &str,
        size: u32,
        remove: &[&str],
        token: &str,
    ) -> Result<Envelope<Nodepool>, CallError> {
        let remove = remove.iter().map(|&id| id.to_owned()).collect();
        let (region, nodepool) = (region.to_owned(), "pool".to_owned());
        self.client
            .call::<ScaleNodepool>(&ScaleNodepoolArgs { region, nodepool, size, remove, write: write(token) })
            .await
    }

    pub async fn health(&self) -> Health {
        let envelope = self.client.call::<GetHealth>(&GetHealthArgs::default()).await.expect("health");
        envelope.resource.expect("health")
    }

    /// Waits until the pool in the region is as wanted.
    pub async fn until(&self, region: &str, what: &str, wanted: impl Fn(&Nodepool) -> bool) -> Nodepool {
        let mut last = None;
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let health = self.health().await;
                last = health.nodepools.into_iter().find(|pool| pool.region == region);
                if let Some(pool) = last.clone().filter(&wanted) {
                    return pool;
                }
                tokio::task::yield_now().await;
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("the pool in {region} is never {what}: {last:#?}"))
    }

    pub async fn until_ready(&self, region: &str, size: usize) -> Nodepool {
        self.until(region, "ready", |pool| pool.instances.len() == size && pool.instances.iter().all(is_ready)).await
    }
}

pub fn is_ready(instance: &cloud::contract::tools::Instance) -> bool {
    instance.status == InstanceStatus::Ready && instance.url.is_some()
}

pub fn write(token: &str) -> WriteArgs {
    WriteArgs {
        idempotency_token: format!("{token:0>16}"),
        dry_run: false,
        reason: None,
        max_cost_usd: None,
        labels: BTreeMap::from([("deployment".to_owned(), "demo".to_owned())]).into(),
    }
}

pub fn deploy_args(folder: &Path, model: &str, region: &str, replicas: u32, token: &str) -> DeployModelArgs {
    // Each in a file of its own: one that another deployment is about to read stays as it is.
    let artifact = folder.join(if model == "a model" { "model.gguf".to_owned() } else { format!("{model}.gguf") });
    std::fs::write(&artifact, model).expect("the model");
    DeployModelArgs {
        region: region.to_owned(),
        nodepool: "pool".to_owned(),
        model: "demo:1.0".parse().expect("a model"),
        artifact: artifact.to_str().expect("text").to_owned(),
        digest: Digest::from_sha256(&sha2::Sha256::digest(model).into()),
        replicas,
        resources: Resources { cpu_milli: 1_000, memory_bytes: 1 << 30, gpu: 0 },
        market: Market::OnDemand,
        caller_digests: Vec::new(),
        write: write(token),
    }
}

/// The instances of the cloud in this folder that really run: id and process number.
pub fn instances_of(folder: &Path) -> Vec<(String, i32)> {
    let root = folder.join("cloud").canonicalize().unwrap_or_else(|_| PathBuf::from("/nowhere"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<String> = line.split(|&b| b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let after = |tag: &str| words.windows(2).find(|pair| pair[0] == tag).map(|pair| pair[1].clone());
        if after("--cloud-root").is_some_and(|found| Path::new(&found) == root) {
            found.push((after("--instance-id").unwrap_or_default(), pid));
        }
    }
    found.sort();
    found
}

pub fn kill(pid: i32) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}
