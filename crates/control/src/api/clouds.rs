//! The clouds and their sites, as they stand.

use std::sync::Arc;

use axum::extract::State;
use domain::Resources;

use super::answer::{Answered, list_of};
use super::route::{Method, Route};
use super::types::{CloudStatus, ListOf};
use crate::world::World;

/// What the prices are for.
const NEED: Resources = Resources { cpu_milli: 1_000, memory_bytes: 1 << 30, gpu: 0 };
/// Clouds are read again when the last look is older, in milliseconds.
const LOOK_MS: i64 = 1_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Get, "/v1/clouds", "list_clouds", "The clouds and their sites", list)
            .gives::<ListOf<CloudStatus>>(200, "The clouds"),
    ]
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<CloudStatus>> {
    let sites = world.survey.sites(&NEED, LOOK_MS).await;
    let views = world.survey.look(LOOK_MS).await;
    Ok(list_of(views.into_iter().map(|view| CloudStatus {
        answers: view.answered(),
        answered_ms_ago: view.answered_ms_ago,
        sites: sites.iter().map(|site| site.site.clone()).filter(|site| site.site.cloud == view.cloud).collect(),
        problem: view.problem,
        name: view.cloud,
    })))
}
