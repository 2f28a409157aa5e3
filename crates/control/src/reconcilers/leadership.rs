//! Which process runs a reconciler: the one that holds its lease.

use domain::Timestamp;
use state::{Batch, Fence, Lease, StoreError, Write};

use crate::world::World;

/// How long a lease lasts, in milliseconds. Renewed at half of it.
const LEASE_MS: u32 = 10_000;

/// The claim of this process to one lease.
pub(crate) struct Leadership {
    name: String,
    holder: String,
    lease: Option<Lease>,
}

impl Leadership {
    pub(crate) fn new(reconciler: &str, holder: &str) -> Self {
        Self { name: format!("reconciler/{reconciler}"), holder: holder.to_owned(), lease: None }
    }

    /// Proof of holding the lease, taken or renewed when need be; nothing when another process holds it.
    pub(crate) async fn ensure(&mut self, world: &World) -> Result<Option<Fence>, StoreError> {
        let now = world.clock.now();
        let write = match &self.lease {
            Some(lease) if remaining_ms(lease, now) > i64::from(LEASE_MS) / 2 => return Ok(Some(lease.fence())),
            Some(lease) if remaining_ms(lease, now) > 0 => {
                Write::RenewLease { fence: lease.fence(), now, ttl_millis: LEASE_MS }
            }
            _ => {
                let (name, holder) = (self.name.clone(), self.holder.clone());
                Write::TakeLease { name, holder, now, ttl_millis: LEASE_MS }
            }
        };
        self.lease = None;
        match world.store.commit(Batch::new().with(write)).await {
            Ok(committed) => self.lease = committed.leases.into_iter().next(),
            Err(StoreError::LeaseHeld { .. } | StoreError::Fenced { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(self.lease.as_ref().map(Lease::fence))
    }

    /// Forgets the lease, so that the next run asks the store for it: something was refused, and this may be why.
    pub(crate) fn doubt(&mut self) {
        self.lease = None;
    }

    /// Gives the lease back, so that another process need not wait.
    pub(crate) async fn release(self, world: &World) {
        if let Some(lease) = self.lease {
            let _ = world.store.commit(Batch::new().with(Write::ReleaseLease { fence: lease.fence() })).await;
        }
    }
}

const fn remaining_ms(lease: &Lease, now: Timestamp) -> i64 {
    lease.expires_at.micros_since(now) / 1_000
}
