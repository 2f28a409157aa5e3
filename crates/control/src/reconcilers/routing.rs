//! What the gateways know: the snapshot they are given, and what each says it has taken over.

use domain::routing::GatewayStatus;
use domain::{RoutingSnapshot, Timestamp};

/// How long the word of a gateway counts, in milliseconds. One that is silent for longer is gone, and serves nobody.
const GATEWAY_LIVE_MS: i64 = 10_000;

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

    /// Whether every live gateway has taken over `version` or a later one, and has nothing in flight on `replicas`.
    #[must_use]
    pub fn all_acknowledged(&self, version: u64, replicas: &[String], now: Timestamp) -> bool {
        let live = |status: &&GatewayStatus| now.micros_since(status.at) <= GATEWAY_LIVE_MS * 1_000;
        self.gateways.iter().filter(live).all(|status| {
            let idle = |id: &String| status.draining.get(id).is_none_or(|count| *count == 0);
            status.snapshot_version >= version && replicas.iter().all(idle)
        })
    }
}
