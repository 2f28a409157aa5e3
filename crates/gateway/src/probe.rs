//! Asks a replica how it is, about every second: whether it answers, and how busy it says it is.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use planning::balance::Report;
use rand::Rng as _;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::pool::UpstreamError;
use crate::replica::Replica;
use crate::shared::Shared;

/// Before a probe is made again whose outcome was void.
const VOID_PAUSE: Duration = Duration::from_millis(100);
/// Largest health report that is read.
const REPORT_MAX_BYTES: usize = 64 << 10;

/// What a model service says of itself. Fields that it does not say count as zero, those not known here are not read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthBody {
    running: u32,
    waiting: u32,
    parallel: u32,
    context_tokens: u32,
}

enum Probed {
    /// Its load, and its context window in tokens, zero when it does not say.
    Ready(Option<Report>, u32),
    /// It answered that it takes nothing: it is loading, or draining.
    Declined,
    /// Nothing listens there.
    Refused,
    Failed,
    /// The gateway could open no connection: says nothing of the replica.
    NotMade,
}

/// Probes until no snapshot names the replica any more and nothing runs on it, which it sees within one interval.
pub(crate) fn run(shared: Arc<Shared>, replica: &Arc<Replica>) -> impl Future<Output = ()> + Send + use<> {
    let replica = Arc::downgrade(replica);
    async move {
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = probe_for_ever(&shared, &replica) => {}
        }
    }
}

async fn probe_for_ever(shared: &Shared, replica: &Weak<Replica>) {
    while let Some(replica) = replica.upgrade() {
        let probe_began = Instant::now();
        if !probe_once(shared, &replica).await {
            // Silence that may have been our own says nothing: it is asked again at once.
            replica.forget_silence();
            sleep(VOID_PAUSE).await;
            continue;
        }
        // Jitter keeps probes of many replicas, and of many gateways, apart.
        let interval = shared.config.probe_interval_ms.max(1);
        let pause = shared.chance.draw().random_range(interval - interval / 5..=interval + interval / 5);
        let least = sleep(Duration::from_millis(interval.min(100)));
        let rest = sleep(Duration::from_millis(pause));
        tokio::pin!(rest);
        least.await;
        // A request that failed there asks for a look at once.
        tokio::select! {
            () = &mut rest => {}
            () = replica.suspect.notified() => {}
        }
        if shared.pulse.was_paused_since(probe_began) {
            replica.forget_silence();
        }
    }
}

/// Probes once, and notes what follows. False when the outcome is void: nothing was heard, but this process was paused, or
/// had no descriptor for a connection.
async fn probe_once(shared: &Shared, replica: &Arc<Replica>) -> bool {
    let limit = Duration::from_millis(shared.config.probe_timeout_ms);
    let began = Instant::now();
    let own_in_flight = replica.in_flight();
    let outcome = shared.pulse.within(limit, probe(replica, own_in_flight)).await.unwrap_or(Probed::Failed);
    let (was_up_till_now, answers) = match outcome {
        Probed::Failed if shared.pulse.was_paused_since(began) => return false,
        Probed::NotMade => return false,
        Probed::Ready(report, context_tokens) => {
            replica.probe_answered(report, context_tokens, began.elapsed().as_secs_f64());
            (false, true)
        }
        Probed::Declined => {
            replica.probe_declined();
            (false, true)
        }
        Probed::Refused => (replica.probe_refused(), false),
        Probed::Failed => (replica.probe_failed(shared.config.probe_failures), false),
    };
    replica.probed(began, answers);
    if was_up_till_now {
        shared.watch.replica_lost(&replica.id);
    }
    true
}

async fn probe(replica: &Replica, own_in_flight: u32) -> Probed {
    // A connection of its own: one in the pool may outlive a listener that no longer accepts.
    let mut connection = match replica.pool.connection(true).await {
        Ok(connection) => connection,
        Err(UpstreamError::Refused) => return Probed::Refused,
        // It was not asked: that says nothing of it.
        Err(UpstreamError::Exhausted) => return Probed::NotMade,
        Err(_) => return Probed::Failed,
    };
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.method_mut() = Method::GET;
    let Ok(uri) = format!("{}/health", replica.pool.path_prefix).parse() else { return Probed::Failed };
    *request.uri_mut() = uri;
    replica.address(request.headers_mut());
    let Ok(response) = connection.send(request).await else { return Probed::Failed };
    let status = response.status();
    let Ok(body) = Limited::new(response.into_body(), REPORT_MAX_BYTES).collect().await else { return Probed::Failed };
    match status {
        StatusCode::OK => {
            let said: HealthBody = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            Probed::Ready(said.report(own_in_flight), said.context_tokens)
        }
        StatusCode::SERVICE_UNAVAILABLE => Probed::Declined,
        _ => Probed::Failed,
    }
}

impl HealthBody {
    /// The load; nothing when the service reports none.
    fn report(&self, own_in_flight: u32) -> Option<Report> {
        let Self { running, waiting, parallel, .. } = *self;
        (parallel > 0).then_some(Report { running, waiting, parallel, own_in_flight })
    }
}
