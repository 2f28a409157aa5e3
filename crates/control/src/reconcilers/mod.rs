//! Loops that make found equal wanted, one for each concern.
//!
//! A reconciler takes no input: it reads all that it needs, decides purely, writes down, and then acts; running it once
//! more changes nothing. Each holds a lease of its own, so that of many processes one acts, and what it commits shows
//! the lease's token.

pub mod autoscale;
pub(crate) mod calls;
pub(crate) mod credential;
pub(crate) mod deadly;
pub mod decide;
pub(crate) mod deployments;
pub(crate) mod leadership;
pub mod progress;
pub(crate) mod replicas;
pub mod routing;
pub mod snapshot;
pub(crate) mod sweep;
pub(crate) mod wish;

use std::time::Duration;

use async_trait::async_trait;
use domain::Problem;
use state::Fence;
use tokio_util::sync::CancellationToken;

use self::leadership::Leadership;
use crate::world::World;

/// One concern.
#[async_trait]
pub(crate) trait Reconciler: Send {
    /// Its name: of its lease, and in logs.
    const NAME: &'static str;
    /// Shortest pause between two runs, so that a busy store does not keep it busy.
    const PAUSE: Duration;

    /// Makes found equal wanted, as far as one look allows.
    async fn run(&mut self, world: &World, fence: &Fence) -> Result<(), Problem>;
}

/// Runs `reconciler` whenever something was committed, and at least every tick, until `shutdown`.
pub(crate) async fn keep<R: Reconciler>(mut reconciler: R, world: &World, shutdown: &CancellationToken) {
    let mut leadership = Leadership::new(R::NAME, &world.config.holder);
    let mut changes = world.store.watch();
    let tick = Duration::from_millis(world.config.tick_ms.max(1));
    while !shutdown.is_cancelled() {
        changes.mark_unchanged();
        run_once(&mut reconciler, &mut leadership, world).await;
        let wake = async {
            tokio::time::sleep(R::PAUSE).await;
            let _ = tokio::time::timeout(tick, changes.changed()).await;
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = wake => {}
        }
    }
    leadership.release(world).await;
}

/// One run, if this process leads.
pub(crate) async fn run_once<R: Reconciler>(reconciler: &mut R, leadership: &mut Leadership, world: &World) {
    let (leads, outcome) = match leadership.ensure(world).await {
        Ok(Some(fence)) => (true, reconciler.run(world, &fence).await),
        Ok(None) => (false, Ok(())),
        Err(error) => (true, Err(error.into())),
    };
    let problem = outcome.err().map(|problem| problem.cause);
    if let Some(cause) = &problem {
        tracing::warn!(reconciler = R::NAME, %cause, "reconciler run failed");
        leadership.doubt();
    }
    world.vitals.passed(R::NAME, leads, problem, world.clock.monotonic());
}
