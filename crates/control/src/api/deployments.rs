//! Deployments: wanted in, status tree out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::{Deployment, Kind};
use state::objects::get;

use super::answer::{Answered, Failure, list_of, stored};
use super::input::Body;
use super::route::{Method, Route};
use super::status::view;
use super::types::{CreateDeployment, DeploymentView, ListOf, ScaleDeployment};
use crate::registry::{Created, deployments};
use crate::world::World;

const ALL: &str = "/v1/deployments";
const ONE: &str = "/v1/deployments/{name}";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, ALL, "create_deployment", "Create a deployment", create)
            .takes::<CreateDeployment>()
            .gives::<DeploymentView>(201, "Created; its replicas start")
            .gives::<DeploymentView>(200, "Created before, and the same")
            .fails(&[Kind::NotFound, Kind::Conflict, Kind::NoCapacity]),
        Route::new(Method::Get, ALL, "list_deployments", "All deployments with their replicas", list).gives::<ListOf<
            DeploymentView,
        >>(
            200,
            "The deployments",
        ),
        Route::new(Method::Get, ONE, "get_deployment", "One deployment with its replicas", fetch)
            .gives::<DeploymentView>(200, "The deployment")
            .fails(&[Kind::NotFound]),
        Route::new(
            Method::Patch,
            ONE,
            "scale_deployment",
            "Change how many replicas are wanted, or how they follow the load",
            scale,
        )
        .takes::<ScaleDeployment>()
        .gives::<DeploymentView>(200, "The deployment as it now is wanted")
        .fails(&[Kind::NotFound, Kind::Conflict, Kind::NoCapacity]),
        Route::new(Method::Delete, ONE, "delete_deployment", "Drain and delete a deployment", remove)
            .gives::<DeploymentView>(202, "Its replicas drain; then it is gone")
            .fails(&[Kind::NotFound]),
    ]
}

async fn create(
    State(world): State<Arc<World>>,
    Body(request): Body<CreateDeployment>,
) -> Result<Created<DeploymentView>, Failure> {
    let Created { value, new } = deployments::create(&world, &request).await?;
    Ok(Created { value: view(&world, &value).await?, new })
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<DeploymentView>> {
    let mut views = Vec::new();
    for deployment in stored::<Deployment>(&*world.store).await? {
        views.push(view(&world, &deployment).await?);
    }
    Ok(list_of(views))
}

async fn fetch(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answered<DeploymentView> {
    let found = get::<Deployment>(&*world.store, &name).await?.ok_or_else(|| deployments::unknown(&name))?;
    Ok(Json(view(&world, &found.value).await?))
}

async fn scale(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Body(request): Body<ScaleDeployment>,
) -> Answered<DeploymentView> {
    let wanted = deployments::scale(&world, &name, &request).await?;
    Ok(Json(view(&world, &wanted).await?))
}

async fn remove(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
) -> Result<(axum::http::StatusCode, Json<DeploymentView>), Failure> {
    let wanted = deployments::remove(&world, &name).await?;
    Ok((axum::http::StatusCode::ACCEPTED, Json(view(&world, &wanted).await?)))
}
