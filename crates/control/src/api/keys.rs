//! Keys for the gateway.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{Kind, RoutingSnapshot};
use state::objects::get;

use super::answer::{Answered, Failure, list_of, stored};
use super::input::Body;
use super::route::{Method, Route};
use super::types::{CreateKey, KeyCreated, KeyView, ListOf};
use crate::registry::keys::{self, ApiKey};
use crate::world::World;

/// Longest wait for the routing snapshot to show a change.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, "/v1/keys", "create_key", "Make a key; its secret is shown this once", create)
            .takes::<CreateKey>()
            .gives::<KeyCreated>(201, "The key with its secret")
            .fails(&[Kind::Conflict]),
        Route::new(Method::Get, "/v1/keys", "list_keys", "All keys, without their secrets", list)
            .gives::<ListOf<KeyView>>(200, "The keys"),
        Route::new(Method::Delete, "/v1/keys/{id}", "revoke_key", "Revoke a key", revoke)
            .gives::<KeyView>(200, "The key that was revoked")
            .fails(&[Kind::NotFound]),
    ]
}

async fn create(
    State(world): State<Arc<World>>,
    Body(request): Body<CreateKey>,
) -> Result<(StatusCode, Json<KeyCreated>), Failure> {
    let created = keys::create(&world, request).await?;
    until_routed(&world, |snapshot| snapshot.keys.values().any(|grant| grant.id == created.key.id)).await;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<KeyView>> {
    Ok(list_of(stored::<ApiKey>(&*world.store).await?.iter().map(keys::view)))
}

async fn revoke(State(world): State<Arc<World>>, Path(id): Path<String>) -> Answered<KeyView> {
    let revoked = keys::revoke(&world, &id).await?;
    until_routed(&world, |snapshot| !snapshot.keys.contains_key(&revoked.hash)).await;
    Ok(Json(keys::view(&revoked)))
}

/// Waits until the routing snapshot shows the change, so that the answer is true at the gateway too. When nobody writes
/// snapshots now the change is kept all the same, and the answer goes out after a bounded wait.
async fn until_routed(world: &World, shows: impl Fn(&RoutingSnapshot) -> bool) {
    let mut changes = world.store.watch();
    let shown = async {
        loop {
            changes.mark_unchanged();
            match get::<RoutingSnapshot>(&*world.store, "current").await {
                Ok(Some(read)) if shows(&read.value) => return,
                Ok(_) => {}
                Err(_) => return,
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(SNAPSHOT_WAIT, shown).await;
}
