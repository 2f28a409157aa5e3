//! Every route but the open ones needs the admin token, and so does the answer that there is no such route.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use domain::{Kind, Problem};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::Failure;
use crate::world::World;

/// The same handler, behind the token.
pub(crate) fn required(handler: MethodRouter<Arc<World>>, world: &Arc<World>) -> MethodRouter<Arc<World>> {
    handler.layer(from_fn_with_state(world.clone(), authenticate))
}

async fn authenticate(State(world): State<Arc<World>>, request: Request, next: Next) -> Result<Response, Failure> {
    check(&world, request.headers())?;
    Ok(next.run(request).await)
}

/// Whether these headers show the token.
pub(crate) fn check(world: &World, headers: &HeaderMap) -> Result<(), Problem> {
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = shown.and_then(bearer) else {
        return Err(refused("no token came with the request"));
    };
    if !same(token, &world.admin_token()) {
        return Err(refused("the token is not the right one"));
    }
    Ok(())
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compares digests in constant time, so that the time taken tells nothing of the token, its length included.
fn same(shown: &str, token: &str) -> bool {
    Sha256::digest(shown.as_bytes()).ct_eq(&Sha256::digest(token.as_bytes())).into()
}

fn refused(cause: &str) -> Problem {
    Problem::new(Kind::Unauthenticated, cause)
        .next("send 'Authorization: Bearer' with the admin token from the data folder")
}
