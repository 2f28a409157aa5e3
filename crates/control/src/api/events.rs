//! What happened to a deployment, and why.

use std::sync::Arc;

use axum::extract::{Path, State};
use domain::{Deployment, Kind, Name, Problem};
use state::objects::get;

use super::answer::{Answered, list_of};
use super::input::Parameters;
use super::route::{Method, Route};
use super::types::{EventView, EventsQuery, ListOf};
use crate::events::{read, read_latest};
use crate::registry::deployments::unknown;
use crate::world::World;

/// Most events in one answer, and how many when nothing is said.
const LIMIT: (u32, u32) = (1_000, 100);

pub(super) fn routes() -> Vec<Route> {
    let path = "/v1/deployments/{name}/events";
    vec![
        Route::new(Method::Get, path, "list_events", "What was decided about a deployment, and why", list)
            .query::<EventsQuery>()
            .gives::<ListOf<EventView>>(200, "The events, oldest first")
            .fails(&[Kind::NotFound, Kind::Invalid]),
    ]
}

async fn list(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Parameters(query): Parameters<EventsQuery>,
) -> Answered<ListOf<EventView>> {
    let limit = query.limit.unwrap_or(LIMIT.1);
    if !(1..=LIMIT.0).contains(&limit) {
        return Err(Problem::invalid(format!("limit is between 1 and {}", LIMIT.0)).at("limit").into());
    }
    let limit = limit as usize;
    let name: Name = name.parse().map_err(|_| unknown(&name))?;
    let found = match query.from {
        Some(offset) => read(&*world.store, &name, offset, limit).await?,
        None => read_latest(&*world.store, &name, limit).await?,
    };
    // The events of a deployment that is gone stay readable; of one that never was there are none.
    if found.is_empty() && get::<Deployment>(&*world.store, name.as_str()).await?.is_none() {
        return Err(unknown(name.as_str()).into());
    }
    let view = |(offset, event): (u64, crate::events::Event)| EventView {
        offset,
        at: event.at,
        what: event.what,
        why: event.why,
    };
    Ok(list_of(found.into_iter().map(view)))
}
