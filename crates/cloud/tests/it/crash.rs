//! The local cloud is killed at random moments and comes back: nothing doubled, nothing left over, nothing forgotten.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::client::{CallError, CloudClient};
use cloud::contract::tools::{DeployModel, GetHealth, GetHealthArgs, Nodepool, ScaleNodepool, ScaleNodepoolArgs};
use cloud::local::LocalCloud;
use cloud::server::ServerAccess;
use domain::{Kind, SystemClock};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use crate::kept_store::KeptStore;
use crate::world::{Folder, PATIENCE, client, config, deploy_args, instances_of, is_ready, kill, signer, write};

const ROUNDS: u32 = 20;

#[test]
#[ignore = "not a test: the process that is killed"]
fn host() {
    nix::unistd::alarm::set(300);
    let words: Vec<String> = std::env::args().collect();
    let folder = words.windows(2).find(|pair| pair[0] == "--host-folder").map(|pair| PathBuf::from(&pair[1]));
    let folder = folder.expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(KeptStore::open(&folder.join("store.log")).await);
        let cloud = LocalCloud::open(config(&folder), store, Arc::new(SystemClock)).await.expect("it opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/local/mcp", listener.local_addr().expect("bound"));
        let router = cloud.router(ServerAccess::new(signer().verifier(), &url)).expect("a router");
        std::fs::write(folder.join("url.half"), &url).expect("written");
        std::fs::rename(folder.join("url.half"), folder.join("url")).expect("put in place");
        telemetry::tasks::spawn("test_server", async move { axum::serve(listener, router).await });
        cloud.run(CancellationToken::new()).await;
    });
}

/// The process that is killed, with a client of it.
struct Host {
    process: Child,
    client: CloudClient,
}

impl Drop for Host {
    fn drop(&mut self) {
        // Also when a test fails. A second kill does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Host {
    async fn start(folder: &Path) -> Self {
        let _ = std::fs::remove_file(folder.join("url"));
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "crash::host", "--nocapture", "--", "--host-folder"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + PATIENCE;
        let url = loop {
            if let Ok(url) = std::fs::read_to_string(folder.join("url")) {
                break url;
            }
            assert!(Instant::now() < deadline, "the host never serves");
            tokio::task::yield_now().await;
        };
        Self { process, client: client(&url, &signer(), "control", "operator") }
    }

    fn kill(self) {
        drop(self);
    }

    async fn pools(&self) -> Vec<Nodepool> {
        let health = self.client.call::<GetHealth>(&GetHealthArgs::default()).await.expect("health");
        health.resource.expect("health").nodepools
    }

    /// Waits until the pool has its size in ready instances, and the processes of this machine are exactly those.
    async fn settles(&self, folder: &Path, size: u32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pools = self.pools().await;
            let mut wanted: Vec<&str> = pools.iter().flat_map(|p| &p.instances).map(|i| i.id.as_str()).collect();
            wanted.sort_unstable();
            let found = instances_of(folder);
            let running: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
            let ready = pools.iter().flat_map(|pool| &pool.instances).all(is_ready);
            if ready && running == wanted && wanted.len() == size as usize {
                return;
            }
            assert!(Instant::now() < deadline, "size {size} is wanted, {running:?} run: {pools:#?}");
            tokio::task::yield_now().await;
        }
    }
}

/// Makes the pool have that size, whatever it is now. The token makes it one write however often it is sent.
async fn resize(client: &CloudClient, folder: &Path, size: u32, token: &str) -> Result<(), CallError> {
    let (region, nodepool) = ("us-east".to_owned(), "pool".to_owned());
    let scale = ScaleNodepoolArgs { region, nodepool, size, remove: Vec::new(), write: write(token) };
    match client.call::<ScaleNodepool>(&scale).await {
        Err(CallError::Refused { problem, .. }) if problem.kind == Kind::NotFound => {
            let deploy = deploy_args(folder, "a model", "us-east", size, &format!("{token}-deploy"));
            client.call::<DeployModel>(&deploy).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_comes_back_with_the_same_instances() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = Folder::new();
    let mut host = Host::start(folder.path()).await;
    for round in 0..ROUNDS {
        let (size, token) = (rng.random_range(0..=4), format!("round-{round}"));
        // Killed while it carries the call out, or soon after; at times together with an instance.
        let moment = Duration::from_micros(rng.random_range(0..120_000));
        let _ = tokio::time::timeout(moment, async {
            let _ = resize(&host.client, folder.path(), size, &token).await;
            std::future::pending::<()>().await;
        })
        .await;
        host.kill();
        if rng.random_bool(0.3)
            && let Some((_, pid)) = instances_of(folder.path()).first()
        {
            kill(*pid);
        }
        host = Host::start(folder.path()).await;
        resize(&host.client, folder.path(), size, &token).await.expect("the same call again");
        host.settles(folder.path(), size).await;
        // Killed while nothing is to be done, it finds exactly the processes that it left.
        let before = instances_of(folder.path());
        host.kill();
        host = Host::start(folder.path()).await;
        host.settles(folder.path(), size).await;
        assert_eq!(instances_of(folder.path()), before, "round {round}");
    }
    resize(&host.client, folder.path(), 0, "the-end").await.expect("it goes");
    host.settles(folder.path(), 0).await;
    host.kill();
}
