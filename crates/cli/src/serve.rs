//! The wiring, in a straight line: what is opened, in which order it starts, and in which order it stops.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::token::Signer;
use cloud::client::{ClientConfig, CloudClient, SignedTokens};
use cloud::local::LocalCloud;
use cloud::server::ServerAccess;
use control::clouds::client::CloudClientPort;
use control::{CloudPort, Control, ControlConfig};
use domain::{Clock, Kind, Problem, SystemClock};
use gateway::Gateway;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use state::SharedStore;
use state_backends::SqliteStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::Context;
use crate::config::ListenConfig;
use crate::paths::DataDir;
use crate::running::{RunLock, when_free};
use crate::secret_file;

/// The name of the cloud on this machine.
const LOCAL: &str = "local";
/// How long a token for a cloud lives.
const CLOUD_TOKEN_SECONDS: u32 = 600;
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

/// Something that runs until it is told to stop.
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
        Self { task: telemetry::tasks::spawn(name, run(shutdown.clone())), shutdown }
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
    let local = open_local_cloud(context, clock.clone()).await?;
    let url = local_cloud_url(listeners.addresses);
    let cloud_router = local.router(ServerAccess::new(signer.verifier(), url.clone()))?;
    let cloud_server = Part::start("local cloud server", |stop| serve_http(listeners.local_cloud, cloud_router, stop));
    let supervised = Arc::clone(&local);
    let cloud_supervisor = Part::start("local cloud", |stop| supervised.run(stop));

    // The control plane, which reaches that cloud only over HTTP.
    let client = client(LOCAL, &url, &signer, clock.clone())?;
    let port: Arc<dyn CloudPort> = Arc::new(CloudClientPort::new(LOCAL.parse()?, client));
    let control_config = config.control.with(ControlConfig::new(admin_token, "control"));
    let control_plane = Control::new(control_config, store.clone(), vec![port], clock.clone(), StdRng::from_os_rng())?;
    let (api, reconciling) = (control_plane.clone(), control_plane);
    let control = Part::start("control plane", |stop| async move {
        if let Err(error) = api.serve(listeners.control, stop).await {
            tracing::error!(%error, "control plane ended");
        }
    });
    let reconcilers = Part::start("reconcilers", |stop| async move { reconciling.run_reconcilers(stop).await });

    // The data plane, which asks nobody while a request waits.
    let mut gateway_config = config.gateway.clone();
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

/// A client of a cloud's MCP server, as an operator of this installation.
pub fn cloud_client(context: &Context, cloud: &str) -> Result<CloudClient, Problem> {
    if cloud != LOCAL {
        return Err(
            Problem::not_found(format!("there is no cloud {cloud:?}")).next("this installation has one cloud: local")
        );
    }
    let running = crate::running::find(&context.data_dir)?.ok_or_else(|| {
        Problem::new(Kind::Unavailable, "no mcp runs over this data folder").next("start it with 'mcp up'")
    })?;
    client(cloud, &local_cloud_url(running.listen), &signer(&context.data_dir)?, Arc::new(SystemClock))
}

/// Ends the model services that a killed program left behind. Gives their number.
pub async fn sweep_model_services(context: &Context) -> Result<usize, Problem> {
    if !local_cloud_db(&context.data_dir).exists() || crate::running::find(&context.data_dir)?.is_some() {
        return Ok(0);
    }
    let _lock = RunLock::take_when_free(&context.data_dir).await?;
    let local = open_local_cloud(context, Arc::new(SystemClock)).await?;
    let stopped = local.stop_all(STOP_WITHIN).await;
    Ok(stopped.ended + stopped.killed)
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

/// The version that the model service tells of itself.
pub async fn model_service_version(context: &Context) -> Result<String, Problem> {
    let command = model_service_command(&context.config.local.command);
    let program = command.first().cloned().unwrap_or_default();
    let missing = |cause: String| {
        Problem::new(Kind::Unavailable, format!("{program}: {cause}"))
            .next("build it with 'make up', or set MCP_MODEL_SERVICE to its path")
    };
    let output = tokio::process::Command::new(&program).args(&command[1..]).arg("--version").output();
    let output = output.await.map_err(|e| missing(e.to_string()))?;
    if !output.status.success() {
        return Err(missing(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(format!("{} ({program})", String::from_utf8_lossy(&output.stdout).trim()))
}

/// Logs to standard error.
pub fn init_logs(context: &Context) -> Result<(), Problem> {
    let log = &context.config.log;
    telemetry::log::init(&log.filter, log.format, std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .map_err(|cause| Problem::invalid(cause).at("log.filter"))
}

/// Addresses are taken before anything else starts, so that a port in use leaves nothing half-begun.
struct Listeners {
    gateway: TcpListener,
    control: TcpListener,
    local_cloud: TcpListener,
    addresses: ListenConfig,
}

impl Listeners {
    async fn bind(listen: ListenConfig) -> Result<Self, Problem> {
        let gateway = bind(listen.gateway, "listen.gateway", "MCP_GATEWAY_LISTEN").await?;
        let control = bind(listen.control, "listen.control", "MCP_CONTROL_LISTEN").await?;
        let local_cloud = bind(listen.local_cloud, "listen.local_cloud", "MCP_LOCAL_CLOUD_LISTEN").await?;
        let address = |listener: &TcpListener| listener.local_addr().map_err(|e| Problem::internal(e.to_string()));
        let addresses = ListenConfig {
            gateway: address(&gateway)?,
            control: address(&control)?,
            local_cloud: address(&local_cloud)?,
        };
        Ok(Self { gateway, control, local_cloud, addresses })
    }
}

async fn bind(address: SocketAddr, field: &str, variable: &str) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::AddrInUse { Kind::Conflict } else { Kind::Unavailable };
        Problem::new(kind, format!("{address} cannot be listened on: {error}"))
            .next(format!("stop what uses it ('ss -ltnp' shows it), or set another address with {variable}"))
            .at(field)
    })
}

async fn serve_http(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "local cloud server ended");
    }
}

async fn open_store(path: PathBuf) -> Result<SharedStore, Problem> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| secret_file::file_problem(folder, &e))?;
    }
    let store = when_free(|| SqliteStore::open(path.clone()).map_err(Problem::from)).await?;
    Ok(Arc::new(store))
}

fn local_cloud_db(data_dir: &DataDir) -> PathBuf {
    data_dir.local_cloud().join("cloud.db")
}

async fn open_local_cloud(context: &Context, clock: Arc<dyn Clock>) -> Result<Arc<LocalCloud>, Problem> {
    let mut config = context.config.local.clone();
    if config.root.is_relative() {
        config.root = context.data_dir.root().join(config.root);
    }
    config.command = model_service_command(&config.command);
    let store = open_store(local_cloud_db(&context.data_dir)).await?;
    LocalCloud::open(config, store, clock).await
}

/// The model service lies beside this program, unless another one is named.
fn model_service_command(command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("model-service")));
    if let (Some(program), Some(beside)) = (command.first_mut().filter(|program| *program == "model-service"), beside)
        && beside.exists()
    {
        *program = beside.to_string_lossy().into_owned();
    }
    command
}

fn local_cloud_url(listen: ListenConfig) -> String {
    format!("http://{}/local/mcp", listen.local_cloud)
}

fn client(name: &str, url: &str, signer: &Arc<Signer>, clock: Arc<dyn Clock>) -> Result<CloudClient, Problem> {
    let tokens = Arc::new(SignedTokens::new(Arc::clone(signer), "control", &["operator"], CLOUD_TOKEN_SECONDS));
    CloudClient::new(name, url, tokens, clock, ClientConfig::default()).map_err(Problem::from)
}

fn signer(data_dir: &DataDir) -> Result<Arc<Signer>, Problem> {
    let make = || Ok(Signer::generate(&mut StdRng::from_os_rng()).map_err(Problem::from)?.to_pem().to_owned());
    let pem = secret_file::read_or_create(&data_dir.signing_key(), make)?;
    Ok(Arc::new(Signer::from_pem(pem.as_bytes()).map_err(Problem::from)?))
}

/// 256 bits of chance, in hexadecimal.
fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
