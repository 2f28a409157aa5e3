//! Tells the control plane, through the store, which snapshot is in use and what still runs on replicas that drain.

use std::sync::Arc;
use std::time::Duration;

use domain::GatewayStatus;
use state::{Batch, Expect, SharedStore, objects};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// How often to look for a change worth telling: at most two writes a second.
const INTERVAL: Duration = Duration::from_millis(500);
/// How old the last word may get when nothing changes: a gateway that is silent for long is taken to be gone, and then
/// nobody waits for what it still has on a replica.
const RENEW: Duration = Duration::from_secs(3);

/// Writes a [`GatewayStatus`] whenever it has changed, and now and then when it has not, until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, store: SharedStore, stop: CancellationToken) {
    let mut told: Option<GatewayStatus> = None;
    let mut told_at = Instant::now();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let table = shared.table.load_full();
        let mut status = GatewayStatus {
            gateway: shared.config.id.clone(),
            snapshot_version: table.version,
            draining: table.draining(),
            at: told.as_ref().map_or_else(Default::default, |told| told.at),
        };
        let is_news = told.as_ref() != Some(&status) || told_at.elapsed() >= RENEW;
        if table.version == 0 || !is_news {
            continue;
        }
        status.at = shared.clock.now();
        let Ok(write) = objects::put(&status, Expect::Any) else { continue };
        match store.commit(Batch::new().with(write)).await {
            Ok(_) => (told, told_at) = (Some(status), Instant::now()),
            // Told again at the next tick; the store's own failure is logged where the snapshot is followed.
            Err(error) => tracing::debug!(%error, "status not written"),
        }
    }
}
