//! The token of this API itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Kind, Problem};
use rand::RngCore as _;

use super::answer::Answered;
use super::route::{Method, Route};
use super::types::AdminToken;
use crate::world::World;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::Post, "/v1/admin-token/rotate", "rotate_admin_token", "Replace the admin token", rotate)
            .gives::<AdminToken>(200, "The token that is valid from now on; the one shown with this request is not")
            .fails(&[Kind::Unsupported, Kind::Unavailable]),
    ]
}

/// Written down first: a token that only lived in memory would lock everybody out after a restart.
async fn rotate(State(world): State<Arc<World>>) -> Answered<AdminToken> {
    let Some(keep) = world.config.keep_admin_token.clone() else {
        let cause = "this control plane was given its token and cannot keep another one";
        return Err(Problem::new(Kind::Unsupported, cause).next("change it where the program is configured").into());
    };
    let mut bits = [0_u8; 32];
    world.chance(|rng| rng.fill_bytes(&mut bits));
    let token: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = token.clone();
    let written = tokio::task::spawn_blocking(move || keep(&kept)).await;
    written.map_err(|error| Problem::internal(format!("the token was not kept: {error}")))??;
    world.replace_admin_token(token.clone());
    tracing::info!("admin token rotated");
    Ok(Json(AdminToken { token }))
}
