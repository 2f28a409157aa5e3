//! The local cloud in a process of its own, which a test stops and kills. Its store survives that.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use cloud::client::CloudClient;
use cloud::contract::tools::{GetHealth, GetHealthArgs, Nodepool};
use cloud::local::{LocalCloud, LocalCloudConfig};
use cloud::server::ServerAccess;
use domain::SystemClock;
use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use crate::kept_store::KeptStore;
use crate::stand_in::argument;
use crate::world::{PATIENCE, client, config, instances_of, is_ready, signer};

#[test]
#[ignore = "not a test: the process that is killed"]
fn serve() {
    nix::unistd::alarm::set(300);
    let folder = PathBuf::from(argument("--host-folder"));
    let silence_seconds = argument("--silence-seconds").parse().expect("a number");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Arc::new(KeptStore::open(&folder.join("store.log")).await);
        let config = LocalCloudConfig { silence_seconds, ..config(&folder) };
        let cloud = LocalCloud::open(config, store, Arc::new(SystemClock)).await.expect("it opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/local/mcp", listener.local_addr().expect("bound"));
        let router = cloud.router(ServerAccess::new(signer().verifier(), &url)).expect("a router");
        std::fs::write(folder.join("url.half"), &url).expect("written");
        std::fs::rename(folder.join("url.half"), folder.join("url")).expect("put in place");
        let (settings, stop) = (listener::Settings::new("test"), CancellationToken::new());
        telemetry::tasks::spawn(
            "test_server",
            listener::serve(listener, settings, listener::Tower(router), stop.clone()),
        );
        cloud.run(stop).await;
    });
}

/// The process, with a client of it.
pub struct Host {
    process: Child,
    pub client: CloudClient,
}

impl Drop for Host {
    fn drop(&mut self) {
        // Also when a test fails. A second kill does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Host {
    pub async fn start(folder: &Path, silence_seconds: u32) -> Self {
        let _ = std::fs::remove_file(folder.join("url"));
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "host::serve", "--nocapture", "--", "--host-folder"])
            .arg(folder)
            .args(["--silence-seconds", &silence_seconds.to_string()])
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

    /// Ends it as a crash would.
    pub fn kill(self) {
        drop(self);
    }

    /// Stops it, or lets it go on.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sent");
    }

    pub async fn pools(&self) -> Vec<Nodepool> {
        let health = self.client.call::<GetHealth>(&GetHealthArgs::default()).await.expect("health");
        health.resource.expect("health").nodepools
    }

    /// Waits until the pool has its size in ready instances, and the processes of this machine are exactly those.
    pub async fn settles(&self, folder: &Path, size: u32) {
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
