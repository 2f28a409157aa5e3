//! Environments.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::{Environment, Kind};

use super::answer::{Answered, Failure, list_of, stored};
use super::input::Body;
use super::route::{Method, Route};
use super::types::{CreateEnvironment, ListOf};
use crate::registry::{Created, environments};
use crate::world::World;

const ALL: &str = "/v1/environments";
const ONE: &str = "/v1/environments/{name}";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, ALL, "create_environment", "Create an environment", create)
            .takes::<CreateEnvironment>()
            .gives::<Environment>(201, "Created")
            .gives::<Environment>(200, "Created before, and the same")
            .fails(&[Kind::Conflict]),
        Route::new(Method::Get, ALL, "list_environments", "All environments", list)
            .gives::<ListOf<Environment>>(200, "The environments"),
        Route::new(Method::Get, ONE, "get_environment", "One environment", fetch)
            .gives::<Environment>(200, "The environment")
            .fails(&[Kind::NotFound]),
        Route::new(Method::Delete, ONE, "delete_environment", "Delete an environment that nothing uses", remove)
            .gives::<Environment>(200, "The environment that was deleted")
            .fails(&[Kind::NotFound, Kind::Conflict]),
    ]
}

async fn create(
    State(world): State<Arc<World>>,
    Body(request): Body<CreateEnvironment>,
) -> Result<Created<Environment>, Failure> {
    Ok(environments::create(&world, request).await?)
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<Environment>> {
    Ok(list_of(stored(&*world.store).await?))
}

async fn fetch(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answered<Environment> {
    Ok(Json(environments::fetch(&world, &name).await?))
}

async fn remove(State(world): State<Arc<World>>, Path(name): Path<String>) -> Answered<Environment> {
    Ok(Json(environments::remove(&world, &name).await?))
}
