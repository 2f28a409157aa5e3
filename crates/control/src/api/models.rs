//! Registered models.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::{Kind, Model};

use super::answer::{Answered, Failure, list_of, stored};
use super::input::Body;
use super::route::{Method, Route};
use super::types::{ListOf, RegisterModel};
use crate::registry::{Created, models};
use crate::world::World;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, "/v1/models", "register_model", "Register a GGUF file as a model's version", register)
            .takes::<RegisterModel>()
            .gives::<Model>(201, "Registered")
            .gives::<Model>(200, "Registered before with the same file")
            .fails(&[Kind::Conflict]),
        Route::new(Method::Get, "/v1/models", "list_models", "All registered models", list)
            .gives::<ListOf<Model>>(200, "The models"),
        Route::new(Method::Get, "/v1/models/{model}", "get_model", "One model, by name:version", fetch)
            .gives::<Model>(200, "The model")
            .fails(&[Kind::NotFound]),
        Route::new(Method::Delete, "/v1/models/{model}", "delete_model", "Forget a model; its file stays", remove)
            .gives::<Model>(200, "The model that was forgotten")
            .fails(&[Kind::NotFound, Kind::Conflict]),
    ]
}

async fn register(
    State(world): State<Arc<World>>,
    Body(request): Body<RegisterModel>,
) -> Result<Created<Model>, Failure> {
    Ok(models::register(&world, request).await?)
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<Model>> {
    Ok(list_of(stored(&*world.store).await?))
}

async fn fetch(State(world): State<Arc<World>>, Path(reference): Path<String>) -> Answered<Model> {
    Ok(Json(models::fetch(&world, &reference).await?))
}

async fn remove(State(world): State<Arc<World>>, Path(reference): Path<String>) -> Answered<Model> {
    Ok(Json(models::remove(&world, &reference).await?))
}
