//! The wiring, in a straight line: what is opened, in which order it starts, and in which order it stops.

mod listeners;
pub mod local_cloud;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::token::Signer;
use cloud::local::LocalCloud;
use cloud::server::ServerAccess;
use control::clouds::client::CloudClientPort;
use control::config::KeepToken;
use control::{CloudPort, Control, ControlConfig};
use domain::{Clock, Problem, SystemClock};
use gateway::{Gateway, GatewayConfig};
use listener::descriptors::{Shares, raise_limit};
use listener::{Hosts, Settings, Tower};
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use state::SharedStore;
use state_backends::SqliteStore;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::listeners::Listeners;
use self::local_cloud::LOCAL;
use crate::command::Context;
use crate::paths::DataDir;
use crate::running::{RunLock, when_free};
use crate::{log_file, secret_file};

/// How long model services may finish what they have when everything stops.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Everything that runs in this process.
pub struct Servers {
    lock: RunLock,
    local: Arc<LocalCloud>,
    gateway: Part,
    control: Part,
    reconcilers: Part,
    cloud_server: Part,
    cloud_supervisor: Part,
}

/// Something that runs until it is told to stop. When it ends before, so does the process.
struct Part {
    shutdown: CancellationToken,
    task: JoinHandle<Option<()>>,
}

impl Part {
    fn start<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let shutdown = CancellationToken::new();
        Self { task: telemetry::tasks::essential(name, &shutdown, run(shutdown.clone())), shutdown }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        // A task that panicked has been logged, and has stopped.
        let _ = self.task.await;
    }
}

/// Opens everything and starts it. When this returns, all of it serves.
pub async fn start(context: &Context) -> Result<Servers, Problem> {
    let (config, data_dir) = (&context.config, &context.data_dir);
    telemetry::tasks::end_process_on_death();
    let lock = RunLock::take_when_free(data_dir).await?;
    let listeners = Listeners::bind(config.listen).await?;
    lock.announce(listeners.addresses, false)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = telemetry::metric::install().map_err(Problem::internal)?;

    // What is remembered.
    let store = open_store(data_dir.state()).await?;
    let signer = signer(data_dir)?;
    let admin_token = secret_file::read_or_create(&data_dir.admin_token(), || Ok(random_token()))?;

    // The cloud on this machine, and its MCP server.
    let local = local_cloud::open(context, clock.clone()).await?;
    let url = local_cloud::url(listeners.addresses);
    let hosts = config.http.hosts.clone();
    let mut access = config.local_server.with(ServerAccess::new(signer.verifier(), url.clone()));
    access.hosts.extend(hosts.iter().cloned());
    let cloud_router = local.router(access)?;
    let shares = Shares::of(raise_limit(), 1);
    let cloud_settings = cloud_settings(&shares);
    let cloud_server = Part::start("local cloud server", |stop| {
        listener::serve(listeners.local_cloud, cloud_settings, Tower(cloud_router), stop)
    });
    let supervised = Arc::clone(&local);
    let cloud_supervisor = Part::start("local cloud", |stop| supervised.run(stop));

    // The control plane, which reaches that cloud only over HTTP.
    let client = local_cloud::client(LOCAL, &url, &signer, clock.clone())?;
    let port: Arc<dyn CloudPort> = Arc::new(CloudClientPort::new(LOCAL.parse()?, client));
    let slots = config.local.parallel;
    let control_config = ControlConfig {
        slots,
        keep_admin_token: Some(keep_token(data_dir)),
        connections_max: shares.control.min(1_024),
        hosts: hosts.clone(),
        ..config.control.with(ControlConfig::new(admin_token, "control"))
    };
    let control_plane = Control::new(control_config, store.clone(), vec![port], clock.clone(), StdRng::from_os_rng())?;
    let (api, reconciling) = (control_plane.clone(), control_plane);
    let control = Part::start("control plane", |stop| async move {
        if let Err(error) = api.serve(listeners.control, stop).await {
            tracing::error!(%error, "control plane ended");
        }
    });
    let reconcilers = Part::start("reconcilers", |stop| async move { reconciling.run_reconcilers(stop).await });

    // The data plane, which asks nobody while a request waits.
    let mut gateway_config = gateway_config(&config.gateway, &shares, hosts);
    gateway_config.snapshot_file.get_or_insert_with(|| data_dir.snapshot());
    let gateway = Gateway::new(gateway_config, Some(store), clock, rand::rng().next_u64())
        .with_metrics_page(Arc::new(move || metrics.render()));
    let gateway = Part::start("gateway", |stop| async move {
        if let Err(error) = gateway.serve(listeners.gateway, stop).await {
            tracing::error!(%error, "gateway ended");
        }
    });

    lock.announce(listeners.addresses, true)?;
    Ok(Servers { lock, local, gateway, control, reconcilers, cloud_server, cloud_supervisor })
}

impl Servers {
    /// Serves until SIGTERM or Ctrl-C, then drains.
    pub async fn run_until_signalled(self) -> Result<(), Problem> {
        signalled().await?;
        self.stop().await
    }

    /// Requests finish; then the control plane stops, so that nothing is replaced; then the model services end.
    pub async fn stop(self) -> Result<(), Problem> {
        tracing::info!("draining");
        self.gateway.stop().await;
        self.reconcilers.stop().await;
        self.control.stop().await;
        self.cloud_supervisor.stop().await;
        let stopped = self.local.stop_all(STOP_WITHIN).await;
        self.cloud_server.stop().await;
        tracing::info!(ended = stopped.ended, killed = stopped.killed, "stopped");
        drop(self.lock);
        Ok(())
    }
}

/// Returns when the process is asked to end.
pub async fn signalled() -> Result<(), Problem> {
    let unheard = |e: std::io::Error| Problem::internal(format!("signals cannot be heard: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unheard)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unheard)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Whether what is remembered can be read.
pub fn check_state(context: &Context) -> Result<String, Problem> {
    let path = context.data_dir.state();
    if !path.exists() {
        return Ok("nothing is remembered yet".to_owned());
    }
    SqliteStore::open(path.clone()).map_err(Problem::from)?;
    Ok(format!("{} can be read", path.display()))
}

/// Logs to standard error.
pub fn init_logs(context: &Context) -> Result<(), Problem> {
    let log = &context.config.log;
    telemetry::log::init(&log.filter, log.format, std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .map_err(|cause| Problem::invalid(cause).at("log.filter"))
}

/// Logs to the data folder, and sends standard error there too if nobody watches it.
pub fn init_logs_to_file(context: &Context, takes_stderr: bool) -> Result<(), Problem> {
    let (log, file) = (&context.config.log, log_file::open(&context.data_dir)?);
    if takes_stderr {
        file.take_stderr().map_err(|e| secret_file::file_problem(&context.data_dir.log(), &e))?;
    }
    telemetry::log::init_to(&log.filter, log.format, false, move || file.clone())
        .map_err(|cause| Problem::invalid(cause).at("log.filter"))
}

fn cloud_settings(shares: &Shares) -> Settings {
    let usual = Settings::new("local_cloud");
    // The server itself knows its names, and refuses others in its own protocol.
    Settings { connections_max: usual.connections_max.min(shares.cloud), hosts: Hosts::Any, ..usual }
}

/// The gateway's section within its share of the descriptors.
fn gateway_config(config: &GatewayConfig, shares: &Shares, hosts: Vec<String>) -> GatewayConfig {
    GatewayConfig {
        hosts,
        connections_max: config.connections_max.min(shares.gateway),
        // Each request in hand has a connection, and the shares of keys must keep some of them free.
        in_flight_max: config.in_flight_max.min(u32::try_from(shares.gateway).unwrap_or(u32::MAX)),
        // Several replicas share what is kept for connections to them.
        idle_connections_max: config.idle_connections_max.min(shares.upstream / 4),
        ..config.clone()
    }
}

async fn open_store(path: PathBuf) -> Result<SharedStore, Problem> {
    if let Some(folder) = path.parent() {
        files::private_folder(folder, crate::paths::OURS)?;
    }
    let store = when_free(|| SqliteStore::open(path.clone()).map_err(Problem::from)).await?;
    Ok(Arc::new(store))
}

/// Writes a new admin token where the next start finds it.
fn keep_token(data_dir: &DataDir) -> KeepToken {
    let file = data_dir.admin_token();
    Arc::new(move |token: &str| secret_file::write(&file, token))
}

/// Replaces the admin token of a program that does not run.
pub fn write_admin_token(data_dir: &DataDir) -> Result<(), Problem> {
    secret_file::write(&data_dir.admin_token(), &random_token())
}

/// Replaces the key with which tokens for the clouds are signed, of a program that does not run.
pub fn write_signing_key(data_dir: &DataDir) -> Result<(), Problem> {
    secret_file::write(&data_dir.signing_key(), &new_signing_key()?)
}

fn new_signing_key() -> Result<String, Problem> {
    Ok(Signer::generate(&mut StdRng::from_os_rng()).map_err(Problem::from)?.to_pem().to_owned())
}

fn signer(data_dir: &DataDir) -> Result<Arc<Signer>, Problem> {
    let pem = secret_file::read_or_create(&data_dir.signing_key(), new_signing_key)?;
    Ok(Arc::new(Signer::from_pem(pem.as_bytes()).map_err(Problem::from)?))
}

/// 256 bits of chance, in hexadecimal.
fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
