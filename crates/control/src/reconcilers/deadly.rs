//! Requests of which replicas died, as gateways tell them: an event for each, in the journal of every deployment of the
//! model that was asked.

use domain::routing::GatewayStatus;
use domain::{DeadlyRequest, Deployment, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::{Stored, get, put};
use state::{Batch, Expect, Fence};

use super::snapshot::values;
use crate::events::{Event, record};
use crate::world::World;

/// Up to which request a gateway's are recorded. It counts from 1 again after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Recorded {
    gateway: String,
    started_at: Timestamp,
    number: u64,
}

impl Stored for Recorded {
    const KIND: &'static str = "deadly_recorded";
    fn object_name(&self) -> String {
        self.gateway.clone()
    }
}

/// Records what gateways tell that is not recorded yet.
pub(crate) async fn record_all(world: &World, fence: &Fence) -> Result<(), Problem> {
    let statuses = values::<GatewayStatus>(&*world.store).await?;
    for status in statuses.iter().filter(|status| !status.deadly.is_empty()) {
        record_news(world, fence, status).await?;
    }
    Ok(())
}

async fn record_news(world: &World, fence: &Fence, status: &GatewayStatus) -> Result<(), Problem> {
    let found = get::<Recorded>(&*world.store, &status.gateway).await?;
    let expect = found.as_ref().map_or(Expect::Absent, |read| Expect::Version(read.version));
    let before = found.map(|read| read.value).filter(|recorded| recorded.started_at == status.started_at);
    let before = before.map_or(0, |recorded| recorded.number);
    let Some(number) = status.deadly.iter().map(|request| request.number).max().filter(|last| *last > before) else {
        return Ok(());
    };
    let deployments = values::<Deployment>(&*world.store).await?;
    let mut batch = Batch::new().fenced(fence.clone());
    for request in status.deadly.iter().filter(|request| request.number > before) {
        for deployment in deployments.iter().filter(|deployment| deployment.model == request.model) {
            batch = batch.with(record(&deployment.name, &event(request))?);
        }
    }
    let recorded = Recorded { gateway: status.gateway.clone(), started_at: status.started_at, number };
    world.store.commit(batch.with(put(&recorded, expect)?)).await?;
    Ok(())
}

fn event(request: &DeadlyRequest) -> Event {
    let DeadlyRequest { fingerprint, replicas, at, .. } = request;
    Event {
        at: *at,
        what: format!("request {fingerprint} is refused"),
        why: format!("replicas died while they answered it: {}", replicas.join(", ")),
    }
}
