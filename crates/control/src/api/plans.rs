//! What a deployment would do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Deployment, Kind};
use state::objects::get;

use super::answer::Answered;
use super::input::Body;
use super::route::{Method, Route};
use super::types::{CreateDeployment, Plan};
use crate::plan::{Subject, plan};
use crate::registry::deployments::check;
use crate::world::World;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, "/v1/plans", "plan", "What a deployment would do, without doing it", make)
            .takes::<CreateDeployment>()
            .gives::<Plan>(200, "The plan; with a shortage, the deployment would be refused")
            .fails(&[Kind::NotFound]),
    ]
}

async fn make(State(world): State<Arc<World>>, Body(request): Body<CreateDeployment>) -> Answered<Plan> {
    let checked = check(&world, &request).await?;
    let existing = get::<Deployment>(&*world.store, checked.deployment.name.as_str()).await?;
    let subject = Subject {
        deployment: &checked.deployment,
        model: &checked.model.value,
        environment: &checked.environment.value,
        existing: existing.as_ref().map(|read| &read.value),
    };
    Ok(Json(plan(&world, &subject).await?))
}
