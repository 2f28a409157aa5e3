//! What all requests of a gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use domain::{Clock, Timestamp};
use planning::balance::ForecastWeights;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio_util::sync::CancellationToken;

use crate::MetricsPage;
use crate::admit::Admission;
use crate::config::GatewayConfig;
use crate::meter::GatewayMeter;
use crate::pulse::Pulse;
use crate::table::Table;
use crate::watch::Watch;

/// One gateway's state.
pub(crate) struct Shared {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_at: Timestamp,
    pub(crate) chance: Chance,
    pub(crate) weights: ForecastWeights,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) meter: Arc<GatewayMeter>,
    /// Requests of which replicas die.
    pub(crate) watch: Watch,
    /// Notices when this process did not run.
    pub(crate) pulse: Pulse,
    pub(crate) page: Option<MetricsPage>,
    /// Ends probes and followers.
    pub(crate) stop: CancellationToken,
}

/// Random numbers without a lock: each draw has a generator of its own, seeded by a counter.
pub(crate) struct Chance {
    seed: u64,
    draws: AtomicU64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, draws: AtomicU64::new(0) }
    }

    pub(crate) fn draw(&self) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ self.draws.fetch_add(1, Ordering::Relaxed))
    }
}
