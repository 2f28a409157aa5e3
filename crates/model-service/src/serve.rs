//! The life of the process, in a straight line: listen, load, say that it is ready, serve, drain.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use domain::{Clock as _, SystemClock};
use listener::{Limits, Refused, Settings, Tower, descriptors};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::engine::Engine;
use crate::http::guard::Guard;
use crate::http::{self, Service};
use crate::log_ring::LogRing;
use crate::ready::{self, Ready};

/// How long the last answers may take to reach their clients once the engine is done.
const FLUSH: Duration = Duration::from_secs(2);
/// How long the gateway may keep a connection without using it.
const KEEP: Duration = Duration::from_secs(600);

/// Serves until SIGTERM or SIGINT, then drains. Fails when it cannot begin, or when the engine dies.
pub async fn run(args: Args, logs: LogRing) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (listener, address) = listen(&args).await?;
    let service = Arc::new(service(&args, logs)?);
    let closing = CancellationToken::new();
    let served = settings(&listener)?;
    let server = telemetry::tasks::spawn("http", serve(listener, served, Arc::clone(&service), closing.clone()));

    let settings = args.engine();
    let loading = tokio::task::spawn_blocking(move || Engine::start(settings));
    let (engine, engine_end) = tokio::select! {
        loaded = loading => loaded??,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let engine = service.engine.get_or_init(|| engine);
    announce(&args, address, engine)?;

    let mut engine_end = engine_end;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = &mut engine_end => anyhow::bail!("the engine's thread died; the log says why"),
    }
    drain(engine, engine_end, Duration::from_secs(args.drain_seconds)).await;
    closing.cancel();
    // Clients that do not read their last bytes do not hold the process.
    let _ = tokio::time::timeout(FLUSH, server).await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(args: &Args) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let wanted = SocketAddr::new(args.host, args.port);
    let listener = TcpListener::bind(wanted).await.with_context(|| {
        format!("cannot listen on {wanted}; choose another --port, or end the process that holds it")
    })?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn service(args: &Args, logs: LogRing) -> anyhow::Result<Service> {
    let recorder = telemetry::metric::install().map_err(anyhow::Error::msg)?;
    Ok(Service {
        alias: args.alias.clone(),
        instance_id: args.instance_id.clone(),
        parallel: args.parallel,
        queue: args.queue as usize,
        lanes: http::work::Lanes::new()?,
        bodies: Arc::new(Semaphore::new(http::body::ROOM_UNITS)),
        stall_ms: args.stall_seconds.saturating_mul(1_000),
        guard: Guard::read(args.callers.as_deref())?,
        started: SystemClock.now().unix_seconds(),
        logs,
        prometheus: Box::new(move || recorder.render()),
        engine: OnceLock::new(),
    })
}

async fn serve(listener: TcpListener, settings: Settings, service: Arc<Service>, closing: CancellationToken) {
    listener::serve(listener, settings, Tower(http::router(service)), closing).await;
}

/// How its port is served. Its one caller is the gateway, which cancels a request by closing, and keeps connections open
/// for as long as it likes.
fn settings(listener: &TcpListener) -> anyhow::Result<Settings> {
    let usual = Settings::new("model_service");
    let settings = Settings {
        // Half of what there is: model files and the engine's own need the rest.
        connections_max: usual.connections_max.min(descriptors::raise_limit() / 2),
        limits: Limits { idle: KEEP, ..usual.limits },
        drain: FLUSH,
        body_bytes_max: http::body::LARGEST_BYTES as u64,
        half_close: false,
        refuse: Refused::into_openai_response,
        ..usual
    };
    Ok(settings.called(listener, &[])?)
}

fn announce(args: &Args, address: SocketAddr, engine: &Engine) -> anyhow::Result<()> {
    if let Some(path) = &args.ready_file {
        let instance_id = args.instance_id.as_deref();
        let ready = Ready { pid: std::process::id(), port: address.port(), instance_id, model: &args.alias };
        ready::write(path, &ready).with_context(|| format!("cannot write the ready file {}", path.display()))?;
    }
    tracing::info!(
        %address, model = args.alias, context_tokens = engine.settings.context_tokens, parallel = args.parallel,
        "serving"
    );
    Ok(())
}

/// Lets running requests finish, for at most `limit`.
async fn drain(engine: &Engine, engine_end: oneshot::Receiver<()>, limit: Duration) {
    tracing::info!("draining");
    engine.gate().drain();
    // The sender's drop, not a message, says that the thread has ended; so an error is the good case.
    if tokio::time::timeout(limit, engine_end).await.is_err() {
        tracing::warn!("drain took too long, running requests are cut");
    }
}
