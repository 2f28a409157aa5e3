//! Tells the control plane, through the store, which snapshot is in use, what still runs on replicas that drain, and what
//! is asked of the models whose replicas follow the load.

use std::sync::Arc;
use std::time::Duration;

use domain::GatewayStatus;
use state::{Batch, Expect, SharedStore, objects};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use crate::table::Table;

/// How often to look for a change worth telling: at most two writes a second.
const INTERVAL: Duration = Duration::from_millis(500);
/// How old the last word may get when nothing changes: a gateway that is silent for long is taken to be gone, and then
/// nobody waits for what it still has on a replica.
const RENEW: Duration = Duration::from_secs(3);

/// How old the last word on demand may get while it changes. A request that waits although no replica is there is told at
/// once, for somebody has to start one.
const DEMAND_RENEW: Duration = Duration::from_secs(2);

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
        shared.watch.forget_old();
        let table = shared.table.load_full();
        let mut status = GatewayStatus {
            gateway: shared.config.id.clone(),
            snapshot_version: table.version,
            draining: table.draining(),
            at: told.as_ref().map_or_else(Default::default, |told| told.at),
            started_at: shared.started_at,
            demand: table.demand(),
            deadly: shared.watch.told(),
        };
        if table.version == 0 || !is_news(told.as_ref(), &status, &table, told_at.elapsed()) {
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

/// Whether `status` is worth a write, `age` after the one before.
fn is_news(told: Option<&GatewayStatus>, status: &GatewayStatus, table: &Table, age: Duration) -> bool {
    let Some(told) = told.filter(|_| age < RENEW) else { return true };
    let asks_for_first = table.models.values().any(|model| {
        let name = model.reference.to_string();
        let asked = |status: &GatewayStatus| status.demand.get(&name).map_or(0, |demand| demand.arrived);
        model.seats.iter().all(|seat| seat.draining) && asked(status) != asked(told)
    });
    told.snapshot_version != status.snapshot_version
        || told.deadly != status.deadly
        || told.draining != status.draining
        || (told.demand != status.demand && (age >= DEMAND_RENEW || asks_for_first))
}
