//! What the gateways know: the snapshot they are given, and what each says it has taken over.

use domain::routing::GatewayStatus;
use domain::{RoutingSnapshot, Timestamp};

/// A gateway that runs takes a snapshot over and says so within this time, in milliseconds. It tells every change, and
/// nothing while nothing changes, so its silence alone means nothing.
const GATEWAY_ANSWERS_MS: i64 = 5_000;

/// The current snapshot and the gateways' acknowledgements.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// The current snapshot, if there is one.
    pub snapshot: Option<RoutingSnapshot>,
    /// What each gateway last said.
    pub gateways: Vec<GatewayStatus>,
}

impl Routing {
    /// The version of the current snapshot if none of these replicas takes new requests in it.
    #[must_use]
    pub fn version_without(&self, replicas: &[String]) -> Option<u64> {
        // Without any snapshot nobody routes, and every version that will come shows them draining.
        let Some(snapshot) = &self.snapshot else { return Some(0) };
        let routes = snapshot.models.values().flat_map(|model| &model.replicas);
        let taking = routes.filter(|route| !route.draining).any(|route| replicas.contains(&route.id));
        (!taking).then_some(snapshot.version)
    }

    /// Whether every gateway has taken over `version` or a later one, and has nothing in flight on `replicas`. One that
    /// has said nothing since `since`, when the removal began, and has had time to, is gone and serves nobody.
    #[must_use]
    pub fn all_acknowledged(&self, version: u64, replicas: &[String], since: Timestamp, now: Timestamp) -> bool {
        let idle = |status: &GatewayStatus, id: &String| status.draining.get(id).is_none_or(|count| *count == 0);
        self.gateways.iter().all(|status| {
            if status.snapshot_version >= version {
                return replicas.iter().all(|id| idle(status, id));
            }
            now.micros_since(status.at.max(since)) > GATEWAY_ANSWERS_MS * 1_000
        })
    }
}
