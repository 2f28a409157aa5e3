//! One replica as the gateway knows it: its connections, its load, its health, its record of failures, and what it has
//! shown of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use domain::ReplicaRoute;
use http::{HeaderMap, HeaderValue, Uri, header};
use metrics::Counter;
use parking_lot::Mutex;
use planning::balance::rates::decayed_mean;
use planning::balance::{Candidate, Ejection, EjectionPolicy, Fleet, Health, Ledger, Offer, Outlook, Prompt, Report};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::GatewayConfig;
use crate::endpoint::Endpoint;
use crate::pool::Pool;
use crate::prompt::{BLOCK_BYTES, PromptOutline};
use crate::table::Seat;

/// Most blocks of prefixes remembered of a replica: two megabytes of text, in a tenth of a megabyte.
const PREFIX_BLOCKS_MAX: usize = 8_192;
/// Bytes a token, when a replica tells its room in tokens. Only a bound, so that the usual four are near enough.
const BYTES_PER_TOKEN: usize = 4;

/// Losses within this time are of one fall.
const SAME_FALL: Duration = Duration::from_secs(5);

/// What is kept of a replica for as long as a snapshot names it under the same id and URL.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: String,
    pub(crate) id_header: HeaderValue,
    pub(crate) url: String,
    pub(crate) pool: Pool,
    /// What it is shown with every request.
    authorization: Option<HeaderValue>,
    uris: [Uri; Endpoint::ALL.len()],
    /// Requests of this gateway on it, until the end of their bodies.
    in_flight: AtomicU32,
    record: Mutex<Record>,
    ejections: Counter,
    /// Wakes requests that wait on it when it is given up.
    down: Notify,
    /// Requests on it that were on another when it died.
    suspects: AtomicU32,
    /// Wakes who waits for the outcome of a probe.
    probed: Notify,
    /// Wakes the probe: something happened that it should look at.
    pub(crate) suspect: Notify,
    started: Instant,
    down_generation: AtomicU64,
}

#[derive(Debug)]
struct Record {
    health: Health,
    failed_probes: u32,
    /// When the last probe began, and whether it was answered.
    last_probe: Option<(Instant, bool)>,
    /// When a request was last lost on it, and how many suspects ran there then.
    fell: Option<(Instant, u32)>,
    report: Option<Report>,
    /// Tokens of a prompt that it can take, when it says so.
    window_tokens: Option<u32>,
    network_seconds: f64,
    ejection: Ejection,
    ledger: Ledger,
}

/// What a replica is shown; marked so that nothing prints it.
fn authorization(route: &ReplicaRoute) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", route.credential.as_ref()?.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Default for Record {
    fn default() -> Self {
        Self {
            health: Health::default(),
            failed_probes: 0,
            last_probe: None,
            fell: None,
            report: None,
            window_tokens: None,
            network_seconds: 0.0,
            ejection: Ejection::default(),
            ledger: Ledger::new(PREFIX_BLOCKS_MAX),
        }
    }
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
            authorization: authorization(route),
            uris: [uri(Endpoint::Chat)?, uri(Endpoint::Completions)?, uri(Endpoint::Embeddings)?],
            pool,
            in_flight: AtomicU32::new(0),
            record: Mutex::default(),
            ejections,
            down: Notify::new(),
            suspects: AtomicU32::new(0),
            probed: Notify::new(),
            suspect: Notify::new(),
            started: Instant::now(),
            down_generation: AtomicU64::new(0),
        }))
    }

    /// Whether this is the replica that a snapshot names: at the same place, and shown the same.
    pub(crate) fn is(&self, route: &ReplicaRoute) -> bool {
        self.url == route.url && self.authorization == authorization(route)
    }

    /// Addresses a request to it, with the credential that it wants to see.
    pub(crate) fn address(&self, headers: &mut HeaderMap) {
        headers.insert(header::HOST, self.pool.authority.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
    }

    /// Where it serves an endpoint.
    pub(crate) fn uri(&self, endpoint: Endpoint) -> Uri {
        self.uris[endpoint as usize].clone()
    }

    /// Requests of this gateway on it.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The replica in plain numbers, for one prompt, as they are at `now`.
    pub(crate) fn offer(
        &self,
        seat: &Seat,
        tried: bool,
        outline: &PromptOutline,
        (prompt, fleet): (&Prompt<'_>, &Fleet),
        now: Instant,
    ) -> Offer {
        let elapsed = now.saturating_duration_since(self.started);
        let record = self.record.lock();
        let candidate = Candidate {
            health: record.health,
            draining: seat.draining,
            ejected_ms: record.ejection.remaining_ms(millis(elapsed)),
            tried,
            report: record.report,
            in_flight: self.in_flight(),
            service_seconds: record.ledger.service_seconds(),
            network_seconds: record.network_seconds,
            dollars_per_hour: seat.dollars_per_hour,
        };
        let outlook = Outlook {
            // What was only estimated is no reason to refuse: the replica itself counts.
            window_tokens: record.window_tokens.filter(|_| outline.is_exact),
            ..record.ledger.outlook(prompt, fleet, elapsed.as_secs_f64())
        };
        Offer { candidate, outlook }
    }

    /// Whether it may be counted on: it answers probes, or has not been asked yet.
    pub(crate) fn is_up(&self) -> bool {
        self.record.lock().health != Health::Down
    }

    /// Changes what is known of what was sent there, at this moment in its own seconds.
    pub(crate) fn note<T>(&self, change: impl FnOnce(&mut Ledger, f64) -> T) -> T {
        let now = self.started.elapsed().as_secs_f64();
        change(&mut self.record.lock().ledger, now)
    }

    /// A request is there until [`Self::left`].
    pub(crate) fn entered(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request is no longer there.
    pub(crate) fn left(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Suspects on it.
    pub(crate) fn suspects(&self) -> u32 {
        self.suspects.load(Ordering::Acquire)
    }

    /// A suspect is there until [`Self::suspect_left`]. Not when it must be alone, and another is there.
    pub(crate) fn suspect_entered(&self, alone: bool) -> bool {
        let enter = |count: u32| (!alone || count == 0).then_some(count + 1);
        self.suspects.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_ok()
    }

    /// A suspect is no longer there.
    pub(crate) fn suspect_left(&self) {
        self.suspects.fetch_sub(1, Ordering::AcqRel);
    }

    /// A request was lost on it: how many suspects ran there. All that are lost at once are told the same number, though
    /// they leave one after the other.
    pub(crate) fn fell(&self, at: Instant) -> u32 {
        let mut record = self.record.lock();
        let count = match record.fell {
            Some((before, count)) if at.saturating_duration_since(before) < SAME_FALL => count,
            _ => self.suspects(),
        };
        record.fell = Some((at, count));
        count
    }

    /// Whether it answers a probe that began at `since` or later. Waits for one, as long as `patience`.
    pub(crate) async fn lives(&self, since: Instant, patience: Duration) -> bool {
        self.suspect.notify_one();
        let outcome = async {
            loop {
                let mut probed = std::pin::pin!(self.probed.notified());
                probed.as_mut().enable();
                let last = self.record.lock().last_probe;
                if let Some((_, answered)) = last.filter(|(began, _)| *began >= since) {
                    return answered;
                }
                probed.await;
            }
        };
        tokio::time::timeout(patience, outcome).await.unwrap_or(false)
    }

    /// A probe that began at `began` has its outcome.
    pub(crate) fn probed(&self, began: Instant, answered: bool) {
        self.record.lock().last_probe = Some((began, answered));
        self.probed.notify_waiters();
    }

    /// This process was paused: earlier silence may have been its own.
    pub(crate) fn forget_silence(&self) {
        self.record.lock().failed_probes = 0;
    }

    /// A request was answered to its end: earlier failures are forgiven.
    pub(crate) fn succeeded(&self) {
        self.record.lock().ejection.succeeded();
    }

    /// A request failed on it, by its fault.
    pub(crate) fn failed(&self, policy: &EjectionPolicy) {
        let ejected = self.record.lock().ejection.failed(policy, millis(self.started.elapsed()));
        self.suspect.notify_one();
        if ejected {
            self.ejections.increment(1);
            tracing::warn!(replica = %self.id, "replica put aside: requests fail on it");
        }
    }

    /// It refused a connection: nothing listens there. Down at once, until a probe is answered. True when it was up.
    pub(crate) fn refused(&self) -> bool {
        let was_up = self.mark_down("refuses connections");
        self.give_up_waiting();
        self.suspect.notify_one();
        was_up
    }

    /// A probe was answered: with its load, when it says so, and its context window in tokens, zero when it does not.
    pub(crate) fn probe_answered(&self, report: Option<Report>, context_tokens: u32, round_trip_seconds: f64) {
        let mut record = self.record.lock();
        if record.health == Health::Down {
            tracing::info!(replica = %self.id, "replica answers again");
        }
        record.health = Health::Up;
        record.failed_probes = 0;
        record.report = report;
        record.window_tokens = Some(context_tokens).filter(|tokens| *tokens > 0);
        if let (Some(report), Some(window)) = (report, record.window_tokens) {
            // It holds no more than a full window for each of those that it computes at once.
            let held_bytes = report.parallel as usize * window as usize * BYTES_PER_TOKEN;
            record.ledger.bound((held_bytes / BLOCK_BYTES).min(PREFIX_BLOCKS_MAX));
        }
        record.network_seconds = decayed_mean(Some(record.network_seconds), round_trip_seconds, 1.0, 5.0);
    }

    /// A probe was not answered in time. After `failures_max` in a row nothing new goes there; what waits there is given
    /// up only after three times as many, for a replica that computes hard answers probes late, and asking elsewhere
    /// what it is about to answer would only add to the load. True when it was up until now.
    pub(crate) fn probe_failed(&self, failures_max: u32) -> bool {
        let mut record = self.record.lock();
        record.failed_probes = record.failed_probes.saturating_add(1);
        let failed = record.failed_probes;
        drop(record);
        let is_down = failed >= failures_max && self.mark_down("does not answer probes");
        if failed >= failures_max.saturating_mul(3) {
            self.give_up_waiting();
        }
        is_down
    }

    /// A probe found that nothing listens there. True when it was up until now.
    pub(crate) fn probe_refused(&self) -> bool {
        let was_up = self.mark_down("refuses connections");
        self.give_up_waiting();
        was_up
    }

    /// It said of itself that it takes nothing.
    pub(crate) fn probe_declined(&self) {
        // It may have requests running, which go on; so nobody is woken. Or it loads, and then it holds nothing.
        let mut record = self.record.lock();
        record.health = Health::Down;
        record.ledger.forget();
    }

    /// Nothing new goes there. True when it answered until now.
    fn mark_down(&self, why: &'static str) -> bool {
        let mut record = self.record.lock();
        let before = std::mem::replace(&mut record.health, Health::Down);
        if before != Health::Down {
            tracing::warn!(replica = %self.id, why, "replica is down");
        }
        before == Health::Up
    }

    /// Requests that wait on it go elsewhere. What comes back under this name will be a new process, which holds nothing.
    fn give_up_waiting(&self) {
        self.record.lock().ledger.forget();
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
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
