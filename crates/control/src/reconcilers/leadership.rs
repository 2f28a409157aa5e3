//! Which process runs a reconciler: the one that holds its lease.
//!
//! The end of a lease is written as a wall clock's time, and wall clocks step. So whoever holds a lease renews it by its
//! own monotonic clock, and whoever waits for one takes it when it has not changed for longer than a lease lasts, by its
//! own monotonic clock as well, whatever time it says. Should two processes be wrong about each other, the fencing token
//! decides, and the loser's commits are refused.

use domain::Monotonic;
use state::{Batch, Fence, Lease, StoreError, Write};

use crate::world::World;

/// How long a lease lasts, in milliseconds. Renewed at half of it.
const LEASE_MS: u32 = 10_000;

/// The claim of this process to one lease.
pub(crate) struct Leadership {
    name: String,
    holder: String,
    held: Option<Held>,
    /// The lease in another's hands as it was last seen, and since when it has not changed.
    awaited: Option<(Lease, Monotonic)>,
}

struct Held {
    fence: Fence,
    renewed: Monotonic,
}

impl Leadership {
    pub(crate) fn new(reconciler: &str, holder: &str) -> Self {
        Self { name: format!("reconciler/{reconciler}"), holder: holder.to_owned(), held: None, awaited: None }
    }

    /// Proof of holding the lease, taken or renewed when need be; nothing when another process holds it.
    pub(crate) async fn ensure(&mut self, world: &World) -> Result<Option<Fence>, StoreError> {
        let (wall, now) = (world.clock.now(), world.clock.monotonic());
        let write = match &self.held {
            Some(held) if now.millis_since(held.renewed) < i64::from(LEASE_MS) / 2 => {
                return Ok(Some(held.fence.clone()));
            }
            Some(held) if now.millis_since(held.renewed) < i64::from(LEASE_MS) => {
                Write::RenewLease { fence: held.fence.clone(), now: wall, ttl_millis: LEASE_MS }
            }
            _ => {
                let now = self.abandoned(now).map_or(wall, |lease| wall.max(lease.expires_at));
                Write::TakeLease { name: self.name.clone(), holder: self.holder.clone(), now, ttl_millis: LEASE_MS }
            }
        };
        self.held = None;
        match world.store.commit(Batch::new().with(write)).await {
            Ok(committed) => {
                let lease = committed.leases.into_iter().next();
                self.held = lease.map(|lease| Held { fence: lease.fence(), renewed: now });
                self.awaited = None;
            }
            Err(StoreError::LeaseHeld { .. }) => self.watch(world, now).await?,
            Err(StoreError::Fenced { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(self.held.as_ref().map(|held| held.fence.clone()))
    }

    /// The lease that its holder has not renewed for longer than it lasts.
    fn abandoned(&self, now: Monotonic) -> Option<&Lease> {
        let (lease, since) = self.awaited.as_ref()?;
        (now.millis_since(*since) > i64::from(LEASE_MS)).then_some(lease)
    }

    async fn watch(&mut self, world: &World, now: Monotonic) -> Result<(), StoreError> {
        let found = world.store.lease(&self.name).await?;
        let is_same = self.awaited.as_ref().is_some_and(|(lease, _)| Some(lease) == found.as_ref());
        if !is_same {
            self.awaited = found.map(|lease| (lease, now));
        }
        Ok(())
    }

    /// Forgets the lease, so that the next run asks the store for it: something was refused, and this may be why.
    pub(crate) fn doubt(&mut self) {
        self.held = None;
    }

    /// Gives the lease back, so that another process need not wait.
    pub(crate) async fn release(self, world: &World) {
        if let Some(held) = self.held {
            let _ = world.store.commit(Batch::new().with(Write::ReleaseLease { fence: held.fence })).await;
        }
    }
}
