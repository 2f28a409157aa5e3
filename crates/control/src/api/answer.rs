//! How answers and problems go out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use domain::{Kind, Problem};
use serde::Serialize;
use state::StoreError;

use super::authentication;
use super::types::{ErrorBody, ListOf};
use crate::registry::Created;
use crate::world::World;

/// A problem on its way to the client, with its status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: StatusCode,
    pub problem: Problem,
}

/// What handlers return.
pub(crate) type Answered<T> = Result<Json<T>, Failure>;

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        let problem = problem.into();
        let status = StatusCode::from_u16(problem.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, problem }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(status = self.status.as_u16(), cause = %self.problem, "request failed");
        }
        let retry_after_ms = self.problem.retry_after_ms;
        let mut response = (self.status, Json(ErrorBody { error: self.problem })).into_response();
        if let Some(millis) = retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let status = if self.new { StatusCode::CREATED } else { StatusCode::OK };
        (status, Json(self.value)).into_response()
    }
}

/// All of a kind, as a list.
pub(crate) fn list_of<T>(items: impl IntoIterator<Item = T>) -> Json<ListOf<T>> {
    Json(ListOf { items: items.into_iter().collect() })
}

/// All objects of a kind, from the store.
pub(crate) async fn stored<T: state::objects::Stored>(store: &dyn state::Store) -> Result<Vec<T>, StoreError> {
    Ok(state::objects::list(store).await?.into_iter().map(|read| read.value).collect())
}

pub(crate) async fn no_such_route(State(world): State<Arc<World>>, headers: HeaderMap, uri: Uri) -> Failure {
    // Whoever may not ask learns nothing of what there is.
    if let Err(refused) = authentication::check(&world, &headers) {
        return refused.into();
    }
    let path: String = uri.path().chars().take(160).collect();
    Problem::not_found(format!("there is nothing at {path}")).next("see GET /openapi.json for what there is").into()
}

pub(crate) async fn method_not_allowed(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    method: axum::http::Method,
    uri: Uri,
) -> Failure {
    if let Err(refused) = authentication::check(&world, &headers) {
        return refused.into();
    }
    let path: String = uri.path().chars().take(160).collect();
    let problem = Problem::new(Kind::Invalid, format!("{path} does not know the method {method}"))
        .next("see GET /openapi.json for what there is");
    Failure { status: StatusCode::METHOD_NOT_ALLOWED, problem }
}
