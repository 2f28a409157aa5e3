//! Keys for the gateway. An answer says whether every gateway goes by the change yet.

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
use super::types::{ChangeKey, Confirmation, CreateKey, KeyChanged, KeyCreated, KeyView, ListOf, RotateKey};
use crate::reconcilers::routing::Routing;
use crate::registry::keys::{self, ApiKey};
use crate::world::World;

/// Longest wait for the gateways to take a change over. They look at least every few seconds.
const CONFIRM_WITHIN: Duration = Duration::from_secs(6);

/// What an answer without confirmation says.
const PENDING: &str = "Done, and not yet confirmed by the gateways named";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, "/v1/keys", "create_key", "Make a key; its secret is shown this once", create)
            .takes::<CreateKey>()
            .gives::<KeyCreated>(201, "The key with its secret")
            .fails(&[Kind::Conflict]),
        Route::new(Method::Get, "/v1/keys", "list_keys", "All keys, without their secrets", list)
            .gives::<ListOf<KeyView>>(200, "The keys"),
        Route::new(Method::Patch, "/v1/keys/{id}", "change_key", "Give a key another end", change)
            .takes::<ChangeKey>()
            .gives::<KeyChanged>(200, "The key as it now is")
            .gives::<KeyChanged>(202, PENDING)
            .fails(&[Kind::NotFound, Kind::Conflict]),
        Route::new(Method::Post, "/v1/keys/{id}/rotate", "rotate_key", "Replace a key by a new one", rotate)
            .takes::<RotateKey>()
            .gives::<KeyCreated>(201, "The new key with its secret")
            .fails(&[Kind::NotFound, Kind::Conflict]),
        Route::new(Method::Delete, "/v1/keys/{id}", "revoke_key", "Revoke a key", revoke)
            .gives::<KeyChanged>(200, "The key that was revoked; no gateway takes it any more")
            .gives::<KeyChanged>(202, PENDING)
            .fails(&[Kind::NotFound]),
    ]
}

async fn create(
    State(world): State<Arc<World>>,
    Body(request): Body<CreateKey>,
) -> Result<(StatusCode, Json<KeyCreated>), Failure> {
    let created = keys::create(&world, request).await?;
    Ok(shown(&world, created).await)
}

async fn rotate(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Body(request): Body<RotateKey>,
) -> Result<(StatusCode, Json<KeyCreated>), Failure> {
    let created = keys::rotate(&world, &id, &request).await?;
    Ok(shown(&world, created).await)
}

/// The new key, once it works everywhere or after a bounded wait. What it replaces is in the same snapshot.
async fn shown(world: &World, mut created: KeyCreated) -> (StatusCode, Json<KeyCreated>) {
    let is_there = |snapshot: &RoutingSnapshot| snapshot.keys.values().any(|grant| grant.id == created.key.id);
    created.confirmation = confirmation(world, is_there).await;
    (StatusCode::CREATED, Json(created))
}

async fn list(State(world): State<Arc<World>>) -> Answered<ListOf<KeyView>> {
    Ok(list_of(stored::<ApiKey>(&*world.store).await?.iter().map(keys::view)))
}

async fn change(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Body(request): Body<ChangeKey>,
) -> Result<(StatusCode, Json<KeyChanged>), Failure> {
    let changed = keys::expire(&world, &id, &request).await?;
    let ends = |snapshot: &RoutingSnapshot| {
        snapshot.keys.get(&changed.hash).is_some_and(|grant| grant.expires_at == changed.expires_at)
    };
    Ok(answer(&changed, confirmation(&world, ends).await))
}

async fn revoke(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<KeyChanged>), Failure> {
    let revoked = keys::revoke(&world, &id).await?;
    let is_gone = |snapshot: &RoutingSnapshot| !snapshot.keys.contains_key(&revoked.hash);
    Ok(answer(&revoked, confirmation(&world, is_gone).await))
}

fn answer(key: &ApiKey, confirmation: Confirmation) -> (StatusCode, Json<KeyChanged>) {
    let status = if confirmation.confirmed { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Json(KeyChanged { key: keys::view(key), confirmation }))
}

/// Waits until a snapshot that shows the change is taken over by every gateway, so that the answer is true there too.
/// After a bounded wait the answer names those that have not said so.
async fn confirmation(world: &World, shows: impl Fn(&RoutingSnapshot) -> bool) -> Confirmation {
    let mut changes = world.store.watch();
    let confirmed = async {
        loop {
            changes.mark_unchanged();
            if pending(world, &shows).await.is_some_and(|pending| pending.is_empty())
                || changes.changed().await.is_err()
            {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(CONFIRM_WITHIN, confirmed).await;
    let pending = pending(world, &shows).await;
    Confirmation {
        confirmed: pending.as_ref().is_some_and(Vec::is_empty),
        pending_gateways: pending.unwrap_or_default(),
    }
}

/// Gateways that may go by what was before. Nothing when that cannot be read.
async fn pending(world: &World, shows: impl Fn(&RoutingSnapshot) -> bool) -> Option<Vec<String>> {
    let snapshot = get::<RoutingSnapshot>(&*world.store, "current").await.ok()?;
    // As long as no snapshot shows it, no version that a gateway has taken over does.
    let version = snapshot.filter(|read| shows(&read.value)).map_or(u64::MAX, |read| read.value.version);
    let pending = Routing::read(world).await.ok()?.pending(version);
    if version == u64::MAX && pending.is_empty() { None } else { Some(pending) }
}
