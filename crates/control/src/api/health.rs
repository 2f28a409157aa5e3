//! That it runs, what it can do, and what is stale since when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::RoutingSnapshot;
use serde_json::Value;
use state::objects::get;

use super::answer::Answered;
use super::openapi;
use super::route::{Method, Route};
use super::types::{CloudHealth, GatewayHealth, Health, HealthReport, ReconcilerHealth, StalePart};
use crate::clouds::survey::CloudView;
use crate::reconcilers::routing::{GATEWAY_GONE_MS, Routing};
use crate::vitals::Late;
use crate::world::World;

/// A gateway that has not taken the current snapshot over for so long is behind, in milliseconds.
const GATEWAY_LATE_MS: i64 = 15_000;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Whether the control plane runs and does its work";
    vec![
        Route::new(Method::Get, "/healthz", "get_health", summary, health).open().gives::<Health>(200, "It runs"),
        Route::new(Method::Get, "/health", "get_health_too", summary, health).open().gives::<Health>(200, "It runs"),
        Route::new(Method::Get, "/v1/health", "get_health_report", "What is stale, and since when", report)
            .gives::<HealthReport>(200, "Every part with its age"),
        Route::new(Method::Get, "/openapi.json", "get_openapi", "This document", document)
            .open()
            .gives::<Value>(200, "The OpenAPI 3.1 document"),
    ]
}

/// For anybody: how it is, and nothing of what it holds.
async fn health(State(world): State<Arc<World>>) -> Json<Health> {
    let longest = stale_parts(&world).into_iter().map(|part| part.age_ms).max();
    let status = if longest.is_some() { "stale" } else { "ok" };
    Json(Health { status: status.to_owned(), stale_ms: longest })
}

async fn report(State(world): State<Arc<World>>) -> Answered<HealthReport> {
    let now = world.clock.monotonic();
    let routing = Routing::read(&world).await?;
    let snapshot = get::<RoutingSnapshot>(&*world.store, "current").await?;
    let snapshot_version = snapshot.as_ref().map(|read| read.value.version);
    let mut stale = stale_parts(&world);
    if let Some(read) = &snapshot {
        let seen = world.seen.look("snapshot".to_owned(), read.version, now);
        stale.extend(gateways_behind(&routing, read.value.version, seen.age_ms));
    }
    let reconciler = |(name, passed_ms_ago, pass): (&str, Option<i64>, crate::vitals::Pass)| ReconcilerHealth {
        name: name.to_owned(),
        leads: pass.leads,
        passed_ms_ago,
        problem: pass.problem,
    };
    Ok(Json(HealthReport {
        status: if stale.is_empty() { "ok" } else { "stale" }.to_owned(),
        stale,
        committed_ms_ago: world.vitals.commits(now).0,
        reconcilers: world.vitals.passes(now).into_iter().map(reconciler).collect(),
        clouds: world.survey.remembered().into_iter().map(cloud_health).collect(),
        snapshot_version,
        gateways: routing.gateways.into_iter().map(gateway_health).collect(),
        log_lines_dropped: telemetry::log::dropped(),
    }))
}

/// Parts of the control plane that are late, and clouds that are silent for longer than they may be.
pub(super) fn stale_parts(world: &World) -> Vec<StalePart> {
    let late = world.vitals.late(world.clock.monotonic());
    let part = |late: Late| StalePart { part: late.part, age_ms: late.age_ms, cause: late.cause };
    let silent = world.survey.remembered().into_iter().filter_map(|view| {
        let age_ms = view.silent_ms.filter(|age_ms| *age_ms > world.config.cloud_silent_ms)?;
        let cause = view.problem.map(|problem| problem.cause);
        Some(StalePart { part: format!("cloud {}", view.cloud), age_ms, cause })
    });
    late.into_iter().map(part).chain(silent).collect()
}

/// Gateways that have had time to take the current snapshot over and have not. One that is silent for very long serves
/// nobody.
fn gateways_behind(routing: &Routing, version: u64, snapshot_age_ms: i64) -> Vec<StalePart> {
    let behind = routing.gateways.iter().filter(|heard| {
        let is_late = heard.status.snapshot_version < version && snapshot_age_ms > GATEWAY_LATE_MS;
        (is_late || heard.silent_ms > GATEWAY_LATE_MS) && heard.silent_ms < GATEWAY_GONE_MS
    });
    let part = |heard: &crate::reconcilers::routing::HeardGateway| StalePart {
        part: format!("gateway {}", heard.status.gateway),
        age_ms: snapshot_age_ms.max(heard.silent_ms),
        cause: Some(format!(
            "it routes by snapshot {}, and the current one is {version}",
            heard.status.snapshot_version
        )),
    };
    behind.map(part).collect()
}

fn cloud_health(view: CloudView) -> CloudHealth {
    CloudHealth {
        name: view.cloud,
        answered_ms_ago: view.answered_ms_ago,
        problem: view.problem.map(|problem| problem.cause),
    }
}

fn gateway_health(heard: crate::reconcilers::routing::HeardGateway) -> GatewayHealth {
    GatewayHealth {
        name: heard.status.gateway,
        snapshot_version: heard.status.snapshot_version,
        heard_ms_ago: heard.silent_ms,
    }
}

async fn document() -> Json<Value> {
    Json(openapi::document())
}
