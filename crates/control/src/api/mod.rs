//! The REST API: one table of routes, from which come both the router and the OpenAPI document.
//!
//! Handlers translate; what is allowed and what happens is decided in [`crate::registry`] and the reconcilers.

mod answer;
mod authentication;
mod clouds;
mod deployments;
mod environments;
mod events;
mod health;
mod input;
mod keys;
mod logs;
mod models;
pub mod openapi;
mod plans;
mod route;
mod status;
mod tokens;
pub mod types;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use self::answer::{method_not_allowed, no_such_route};
use self::route::Route;
use crate::world::World;

/// Largest request body, in bytes.
pub const BODY_MAX_BYTES: usize = 1 << 20;

/// Every route, in the order of the document.
pub(crate) fn routes() -> Vec<Route> {
    [
        health::routes(),
        models::routes(),
        environments::routes(),
        plans::routes(),
        deployments::routes(),
        events::routes(),
        logs::routes(),
        keys::routes(),
        tokens::routes(),
        clouds::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The router of the API.
pub(crate) fn router(world: Arc<World>) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = if route.open { route.handler } else { authentication::required(route.handler, &world) };
        router = router.route(route.path, handler);
    }
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(world)
}
