//! How large the routing snapshot is, becomes, and may be.

use std::collections::BTreeMap;

use domain::{Deployment, RoutingSnapshot, Timestamp};
use state::batch::BATCH_BYTES_MAX;

use super::{Inputs, build};

/// What is made must leave the snapshot below this size, in bytes: three quarters of what the store takes at once. The
/// rest is for what nobody asks about first, such as longer addresses of replicas.
pub const SNAPSHOT_MAX_BYTES: usize = BATCH_BYTES_MAX / 4 * 3;
/// A larger one cannot be written, in bytes.
pub(super) const SNAPSHOT_HARD_MAX_BYTES: usize = BATCH_BYTES_MAX - (64 << 10);
/// What one replica takes that is not there yet, in bytes: its id, its place, its address.
const REPLICA_BYTES: usize = 600;
/// Each replica is named under its model's name and under its version.
const NAMES: usize = 2;

/// The size of the snapshot that these inputs lead to when every replica that is wanted serves.
#[must_use]
pub fn expected_bytes(inputs: &Inputs) -> usize {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for replica in &inputs.replicas {
        *found.entry(replica.deployment.as_str()).or_default() += 1;
    }
    let most = |deployment: &Deployment| {
        let scaled = deployment.autoscaling.map_or(deployment.replicas, |scaled| scaled.replicas_max);
        usize::try_from(scaled.max(deployment.replicas)).unwrap_or(usize::MAX)
    };
    let missing: usize = inputs
        .deployments
        .iter()
        .map(|deployment| most(deployment).saturating_sub(found.get(deployment.name.as_str()).copied().unwrap_or(0)))
        .fold(0, usize::saturating_add);
    let now = bytes_of(&build(inputs, 0, Timestamp(0)));
    now.saturating_add(missing.saturating_mul(NAMES * REPLICA_BYTES))
}

/// The size of a snapshot as it is stored.
pub(super) fn bytes_of(snapshot: &RoutingSnapshot) -> usize {
    let mut counter = Counter(0);
    // Counting cannot fail, and a snapshot is plain data.
    let _ = serde_json::to_writer(&mut counter, snapshot);
    counter.0
}

/// What is left of `current` in `next`: what was revoked or is gone goes, and nothing comes. It fits, as `current` did.
pub(super) fn reduced(current: Option<&RoutingSnapshot>, next: RoutingSnapshot) -> RoutingSnapshot {
    let Some(current) = current else {
        return RoutingSnapshot { version: next.version, made_at: next.made_at, ..RoutingSnapshot::default() };
    };
    let mut kept = RoutingSnapshot { version: next.version, made_at: next.made_at, ..current.clone() };
    kept.keys.retain(|hash, grant| {
        let Some(now) = next.keys.get(hash) else { return false };
        // An earlier end is taken over too.
        grant.expires_at = [grant.expires_at, now.expires_at].into_iter().flatten().min();
        true
    });
    kept.models.retain(|name, route| {
        let Some(now) = next.models.get(name).filter(|now| now.model == route.model) else { return false };
        route.replicas.retain_mut(|replica| {
            let stays = now.replicas.iter().find(|other| other.id == replica.id);
            replica.draining |= stays.is_some_and(|other| other.draining);
            stays.is_some()
        });
        true
    });
    kept
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::KeyGrant;

    use super::*;

    fn snapshot(keys: &[(&str, Option<i64>)]) -> RoutingSnapshot {
        let grant = |(hash, expires_at): &(&str, Option<i64>)| {
            let json = serde_json::json!({ "id": hash, "name": "x", "expires_at": expires_at });
            ((*hash).to_owned(), serde_json::from_value::<KeyGrant>(json).expect("a grant"))
        };
        RoutingSnapshot { keys: keys.iter().map(grant).collect(), ..RoutingSnapshot::default() }
    }

    #[test]
    fn what_does_not_fit_leaves_out_what_comes_and_takes_over_what_goes() {
        let current = snapshot(&[("kept", None), ("revoked", None), ("ends", Some(9))]);
        let next = RoutingSnapshot { version: 8, ..snapshot(&[("kept", None), ("new", None), ("ends", Some(5))]) };
        let kept = reduced(Some(&current), next);
        assert_eq!(kept.keys, snapshot(&[("kept", None), ("ends", Some(5))]).keys);
        assert_eq!(kept.version, 8);
        assert!(bytes_of(&kept) <= bytes_of(&current));
    }
}
