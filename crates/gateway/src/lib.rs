//! The data plane: one OpenAI-compatible endpoint in front of all replicas of all models.
//!
//! It asks nobody while a request waits. Who may call, what can be called and where it runs is in one
//! [`domain::RoutingSnapshot`], which is followed in the store, kept on disk, and served from memory; with the store and
//! the control plane dead it goes on serving. The request path is [`pipeline`]'s one list of stages.
//!
//! What is *not* here: the choice of a replica ([`planning::balance`]), counting and cutting of conversations
//! ([`llm::context`]), keys ([`access::api_key`]); all of them pure.

mod acknowledge;
mod admit;
mod answers;
mod attempt;
mod authenticate;
mod body;
mod case;
mod choose;
mod config;
mod cors;
mod demand;
mod endpoint;
mod failover;
mod failure;
mod headers;
mod in_flight;
mod meter;
mod pipeline;
mod pool;
mod probe;
mod prompt;
mod pulse;
mod read;
mod refusal;
mod relay;
mod replica;
mod request;
mod respond;
mod salt;
mod server;
mod settle;
mod shared;
mod snapshot;
mod stream;
mod suspects;
mod table;
mod takeover;
mod text;
mod watch;
mod window;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use domain::{Clock, RoutingSnapshot};
use state::SharedStore;
use telemetry::tasks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::GatewayConfig;

use crate::admit::Admission;
use crate::meter::GatewayMeter;
use crate::pulse::Pulse;
use crate::shared::{Chance, Shared};
use crate::watch::Watch;

/// Renders `/metrics`.
pub type MetricsPage = Arc<dyn Fn() -> String + Send + Sync>;

/// A gateway, not serving yet.
pub struct Gateway {
    shared: Arc<Shared>,
    store: Option<SharedStore>,
    on_disk: Option<RoutingSnapshot>,
}

impl Gateway {
    /// A gateway that follows the snapshot in `store`, or only the one on disk when there is none. Reads the snapshot
    /// file; a damaged one is logged and passed over. Install the metrics recorder first: handles are made once.
    #[must_use]
    pub fn new(config: GatewayConfig, store: Option<SharedStore>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        let on_disk = config.snapshot_file.as_deref().and_then(|path| {
            snapshot::read(path)
                .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "snapshot on disk passed over"))
                .ok()?
        });
        let meter = Arc::new(GatewayMeter::new());
        let admission = Arc::new(Admission::new(&config, meter.in_flight.clone()));
        let shared = Arc::new(Shared {
            weights: config.weights(),
            started_at: clock.now(),
            clock,
            chance: Chance::new(seed),
            table: ArcSwap::default(),
            admission,
            meter,
            watch: Watch::default(),
            pulse: Pulse::default(),
            page: None,
            stop: CancellationToken::new(),
            config,
        });
        Self { shared, store, on_disk }
    }

    /// Serves `/metrics` with this page, to callers on this machine.
    #[must_use]
    pub fn with_metrics_page(mut self, page: MetricsPage) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.page = Some(page);
        }
        self
    }

    /// Serves until `shutdown` is cancelled, then lets running requests finish within the drain time.
    /// Fails when the listener has no address.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { shared, store, on_disk } = self;
        tracing::info!(address = %listener.local_addr()?, "gateway serves");
        if let Some(snapshot) = on_disk {
            takeover::take_over(&shared, &snapshot);
        }
        let stop = shared.stop.clone();
        let beating = Arc::clone(&shared);
        tasks::spawn("gateway pulse", async move { beating.pulse.run(&beating.stop).await });
        if let Some(store) = store {
            let follow = snapshot::follow(Arc::clone(&shared), Arc::clone(&store), stop.clone());
            tasks::essential("gateway snapshot", &stop, follow);
            let tell = acknowledge::run(Arc::clone(&shared), store, stop.clone());
            tasks::essential("gateway status", &stop, tell);
        }
        server::serve(shared, listener, shutdown).await?;
        // Probes and followers go on until the last request is done: it may still fail over.
        stop.cancel();
        Ok(())
    }
}
