//! One replica as the gateway knows it: its connections, its load, its health, its record of failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use domain::ReplicaRoute;
use http::{HeaderValue, Uri};
use metrics::Counter;
use parking_lot::Mutex;
use planning::balance::score::decayed_mean;
use planning::balance::{Candidate, Ejection, EjectionPolicy, Health, Report};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::GatewayConfig;
use crate::endpoint::Endpoint;
use crate::pool::Pool;

/// Time constant of the mean service time.
const SERVICE_TAU_SECONDS: f64 = 10.0;

/// What is kept of a replica for as long as a snapshot names it under the same id and URL.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: String,
    pub(crate) id_header: HeaderValue,
    pub(crate) url: String,
    pub(crate) pool: Pool,
    uris: [Uri; Endpoint::ALL.len()],
    /// Requests of this gateway on it, until the end of their bodies.
    in_flight: AtomicU32,
    record: Mutex<Record>,
    ejections: Counter,
    /// Wakes requests that wait on it when it is given up.
    down: Notify,
    /// Wakes the probe: something happened that it should look at.
    pub(crate) suspect: Notify,
    started: Instant,
    down_generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Record {
    health: Health,
    failed_probes: u32,
    report: Option<Report>,
    network_seconds: f64,
    ejection: Ejection,
    service_seconds: Option<f64>,
    served_at: Option<Instant>,
}

impl Replica {
    /// A replica newly in the snapshot; nothing when its URL cannot be used.
    pub(crate) fn new(route: &ReplicaRoute, config: &GatewayConfig, ejections: Counter) -> Option<Arc<Self>> {
        let connect_timeout = Duration::from_millis(config.connect_ms);
        let pool = Pool::for_url(&route.url, connect_timeout, config.idle_connections_max)?;
        let uri = |endpoint: Endpoint| format!("{}{}", pool.path_prefix, endpoint.path()).parse::<Uri>().ok();
        Some(Arc::new(Self {
            id: route.id.clone(),
            id_header: HeaderValue::from_str(&route.id).ok()?,
            url: route.url.clone(),
            uris: [uri(Endpoint::Chat)?, uri(Endpoint::Completions)?, uri(Endpoint::Embeddings)?],
            pool,
            in_flight: AtomicU32::new(0),
            record: Mutex::default(),
            ejections,
            down: Notify::new(),
            suspect: Notify::new(),
            started: Instant::now(),
            down_generation: AtomicU64::new(0),
        }))
    }

    /// Where it serves an endpoint.
    pub(crate) fn uri(&self, endpoint: Endpoint) -> Uri {
        self.uris[endpoint as usize].clone()
    }

    /// Requests of this gateway on it.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The replica in plain numbers.
    pub(crate) fn candidate(&self, draining: bool, dollars_per_hour: f64, tried: bool) -> Candidate {
        let now_ms = self.elapsed_ms();
        let record = self.record.lock();
        Candidate {
            health: record.health,
            draining,
            ejected_ms: record.ejection.remaining_ms(now_ms),
            tried,
            report: record.report,
            in_flight: self.in_flight(),
            service_seconds: record.service_seconds,
            network_seconds: record.network_seconds,
            dollars_per_hour,
        }
    }

    /// Whether it may be counted on: it answers probes, or has not been asked yet.
    pub(crate) fn is_up(&self) -> bool {
        self.record.lock().health != Health::Down
    }

    /// Counts a request on it until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { replica: Arc::clone(self), began: Instant::now() }
    }

    /// A request failed on it, by its fault.
    pub(crate) fn failed(&self, policy: &EjectionPolicy) {
        let ejected = self.record.lock().ejection.failed(policy, self.elapsed_ms());
        self.suspect.notify_one();
        if ejected {
            self.ejections.increment(1);
            tracing::warn!(replica = %self.id, "replica put aside: requests fail on it");
        }
    }

    /// It refused a connection: nothing listens there. Down at once, until a probe is answered.
    pub(crate) fn refused(&self) {
        self.mark_down("refuses connections");
        self.give_up_waiting();
        self.suspect.notify_one();
    }

    /// A probe was answered.
    pub(crate) fn probe_answered(&self, report: Option<Report>, round_trip_seconds: f64) {
        let mut record = self.record.lock();
        if record.health == Health::Down {
            tracing::info!(replica = %self.id, "replica answers again");
        }
        record.health = Health::Up;
        record.failed_probes = 0;
        record.report = report;
        record.network_seconds = decayed_mean(Some(record.network_seconds), round_trip_seconds, 1.0, 5.0);
    }

    /// A probe was not answered in time. After `failures_max` in a row nothing new goes there; what waits there is given
    /// up only after three times as many, for a replica that computes hard answers probes late, and asking elsewhere
    /// what it is about to answer would only add to the load.
    pub(crate) fn probe_failed(&self, failures_max: u32) {
        let mut record = self.record.lock();
        record.failed_probes = record.failed_probes.saturating_add(1);
        let failed = record.failed_probes;
        drop(record);
        if failed >= failures_max {
            self.mark_down("does not answer probes");
        }
        if failed >= failures_max.saturating_mul(3) {
            self.give_up_waiting();
        }
    }

    /// A probe found that nothing listens there.
    pub(crate) fn probe_refused(&self) {
        self.mark_down("refuses connections");
        self.give_up_waiting();
    }

    /// It said of itself that it takes nothing.
    pub(crate) fn probe_declined(&self) {
        // It may have requests running, which go on; so nobody is woken.
        self.record.lock().health = Health::Down;
    }

    fn mark_down(&self, why: &'static str) {
        let mut record = self.record.lock();
        if record.health != Health::Down {
            record.health = Health::Down;
            tracing::warn!(replica = %self.id, why, "replica is down");
        }
    }

    /// Requests that wait on it go elsewhere.
    fn give_up_waiting(&self) {
        self.down_generation.fetch_add(1, Ordering::Release);
        self.down.notify_waiters();
    }

    /// Completes when the replica is given up after this call.
    pub(crate) async fn given_up(&self) {
        let before = self.down_generation.load(Ordering::Acquire);
        let mut notified = std::pin::pin!(self.down.notified());
        notified.as_mut().enable();
        if self.down_generation.load(Ordering::Acquire) == before {
            notified.await;
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// One request on a replica.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) replica: Arc<Replica>,
    began: Instant,
}

impl InFlight {
    /// The request was answered to its end: its time counts, and earlier failures are forgiven.
    pub(crate) fn succeeded(&self) {
        let now = Instant::now();
        let seconds = (now - self.began).as_secs_f64();
        let mut record = self.replica.record.lock();
        record.ejection.succeeded();
        let elapsed = record.served_at.map_or(0.0, |at| (now - at).as_secs_f64());
        record.service_seconds = Some(decayed_mean(record.service_seconds, seconds, elapsed, SERVICE_TAU_SECONDS));
        record.served_at = Some(now);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.replica.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
