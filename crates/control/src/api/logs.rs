//! The latest log lines of a deployment's replicas, straight from them.

use std::sync::Arc;

use axum::extract::{Path, State};
use domain::{Deployment, Kind, Problem, Replica, Secret};
use futures_util::StreamExt as _;
use state::objects::{get, list};

use super::answer::{Answered, list_of};
use super::input::Parameters;
use super::route::{Method, Route};
use super::types::{ListOf, LogsQuery, ReplicaLogs};
use crate::reconcilers::credential;
use crate::registry::deployments::unknown;
use crate::world::World;

/// Most lines of one replica, and how many when nothing is said.
const TAIL: (u32, u32) = (1_000, 100);
/// Most replicas asked at once.
const ASKED_AT_ONCE: usize = 8;

pub(super) fn routes() -> Vec<Route> {
    let path = "/v1/deployments/{name}/logs";
    vec![
        Route::new(Method::Get, path, "list_logs", "The latest log lines of a deployment's replicas", tail)
            .query::<LogsQuery>()
            .gives::<ListOf<ReplicaLogs>>(200, "The lines, by replica")
            .fails(&[Kind::NotFound, Kind::Invalid]),
    ]
}

async fn tail(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Parameters(query): Parameters<LogsQuery>,
) -> Answered<ListOf<ReplicaLogs>> {
    let lines = query.tail.unwrap_or(TAIL.1);
    if !(1..=TAIL.0).contains(&lines) {
        return Err(Problem::invalid(format!("tail is between 1 and {}", TAIL.0)).at("tail").into());
    }
    let deployment = get::<Deployment>(&*world.store, &name).await?.ok_or_else(|| unknown(&name))?.value;
    let shown = credential::find(&*world.store, &deployment.uid).await?;
    let replicas = list::<Replica>(&*world.store).await?.into_iter().map(|read| read.value);
    let of_deployment = replicas.filter(|replica| replica.deployment.as_str() == name);
    let asked: Vec<Replica> =
        of_deployment.filter(|replica| query.replica.as_ref().is_none_or(|id| *id == replica.id)).collect();
    if let Some(id) = query.replica.as_ref().filter(|_| asked.is_empty()) {
        let shown: String = id.chars().take(80).collect();
        let problem = Problem::not_found(format!("deployment {name} has no replica {shown:?}"));
        return Err(problem.next(format!("see 'mcp status --deployment {name}'")).at("replica").into());
    }
    let logs: Vec<ReplicaLogs> = futures_util::stream::iter(asked)
        .map(|replica| logs_of(&world, replica, shown.as_ref(), lines))
        .buffered(ASKED_AT_ONCE)
        .collect()
        .await;
    Ok(list_of(logs))
}

async fn logs_of(world: &World, replica: Replica, shown: Option<&Secret>, tail: u32) -> ReplicaLogs {
    let answer = if replica.url.is_empty() {
        Err(Problem::new(Kind::Unavailable, "the replica is still starting"))
    } else {
        world.model_services.logs(&replica.url, shown, tail).await
    };
    let (lines, problem) = match answer {
        Ok(text) => (text.lines().map(str::to_owned).collect(), None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    ReplicaLogs { replica: replica.id, site: replica.site, lines, problem }
}
