//! What the gateways know: the snapshot they are given, and what each says it has taken over.

use domain::RoutingSnapshot;
use domain::routing::GatewayStatus;

/// A gateway that runs takes a snapshot over and says so within this time, in milliseconds. It tells every change, and
/// every few seconds that nothing changed.
const GATEWAY_ANSWERS_MS: i64 = 5_000;
/// One that is silent for longer serves nobody, in milliseconds. Until then it may go on by the snapshot on its disk.
pub(crate) const GATEWAY_GONE_MS: i64 = 300_000;

/// The current snapshot and the gateways' acknowledgements.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// The current snapshot, if there is one.
    pub snapshot: Option<RoutingSnapshot>,
    /// What each gateway last said.
    pub gateways: Vec<HeardGateway>,
}

/// What one gateway last said.
#[derive(Debug, Clone)]
pub struct HeardGateway {
    /// Its words.
    pub status: GatewayStatus,
    /// Milliseconds since they were first seen here, by our own clock: those of the gateway may be off.
    pub silent_ms: i64,
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
    /// has said nothing since the removal began `removal_ms` milliseconds ago, and has had time to, is gone and serves
    /// nobody.
    #[must_use]
    pub fn all_acknowledged(&self, version: u64, replicas: &[String], removal_ms: i64) -> bool {
        let idle = |status: &GatewayStatus, id: &String| status.draining.get(id).is_none_or(|count| *count == 0);
        self.gateways.iter().all(|HeardGateway { status, silent_ms }| {
            if status.snapshot_version >= version {
                return replicas.iter().all(|id| idle(status, id));
            }
            removal_ms.min(*silent_ms) > GATEWAY_ANSWERS_MS
        })
    }

    /// Gateways that may still route by an earlier version than `version`.
    #[must_use]
    pub fn pending(&self, version: u64) -> Vec<String> {
        let behind = |heard: &&HeardGateway| heard.status.snapshot_version < version;
        let pending = self.gateways.iter().filter(behind).filter(|heard| heard.silent_ms < GATEWAY_GONE_MS);
        pending.map(|heard| heard.status.gateway.clone()).collect()
    }
}
