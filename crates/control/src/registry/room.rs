//! Whether what is to be made can be routed: the routing snapshot is one object, and it has a largest size.
//!
//! Refused here, a thing is not there; refused when the snapshot is written, it would look as if it were there and never
//! work.

use domain::Problem;

use super::conflict;
use crate::reconcilers::snapshot::{Inputs, SNAPSHOT_MAX_BYTES, expected_bytes};
use crate::world::World;

/// Whether the snapshot that would result has room. What makes it smaller is always let through. Call it while
/// [`World::growing`] is held.
pub(crate) async fn check(world: &World, change: impl FnOnce(&mut Inputs)) -> Result<(), Problem> {
    let mut inputs = Inputs::of(world).await?;
    let before = expected_bytes(&inputs);
    change(&mut inputs);
    let after = expected_bytes(&inputs);
    if after <= SNAPSHOT_MAX_BYTES || after <= before {
        return Ok(());
    }
    let cause = format!(
        "there is no room for it in the routing snapshot that gateways go by: it would take {after} of \
         {SNAPSHOT_MAX_BYTES} bytes ({} keys, {} deployments)",
        inputs.keys.len(),
        inputs.deployments.len()
    );
    Err(conflict(cause, "revoke keys that are not needed ('mcp key list'), name fewer models in each, or scale down"))
}
