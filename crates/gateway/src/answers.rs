//! What the gateway answers by itself: the list of models, its health, its metrics.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::authenticate::{identify, may_call};
use crate::body::Body;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::table::Model;

#[derive(Serialize)]
struct ModelObject<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

impl<'a> From<&'a Model> for ModelObject<'a> {
    fn from(model: &'a Model) -> Self {
        Self { id: &model.name, object: "model", created: model.created_at.unix_seconds(), owned_by: "mastercontrol" }
    }
}

/// The models that the caller's key covers.
pub(crate) fn models(shared: &Shared, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let table = shared.table.load();
    let grant = identify(&table, headers, shared.clock.now())?;
    let covered: Vec<ModelObject> =
        table.models.values().filter(|model| may_call(grant, model)).map(|model| (&**model).into()).collect();
    Ok(json_response(StatusCode::OK, &json!({"object": "list", "data": covered})))
}

/// One model, when the caller's key covers it; otherwise it does not exist for him.
pub(crate) fn model(shared: &Shared, headers: &HeaderMap, name: &str) -> Result<Response<Body>, Refusal> {
    let table = shared.table.load();
    let grant = identify(&table, headers, shared.clock.now())?;
    let found = table.models.get(name).filter(|model| may_call(grant, model));
    let model = found.ok_or_else(|| Refusal::unknown_model(name))?;
    Ok(json_response(StatusCode::OK, &json!(ModelObject::from(&**model))))
}

/// Whether the gateway can serve: it can once it has a snapshot, of whatever age.
pub(crate) fn health(shared: &Shared) -> Response<Body> {
    let table = shared.table.load();
    let replicas = table.replicas();
    let has_snapshot = table.version > 0;
    let status = if has_snapshot { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let age_micros = shared.clock.now().micros_since(table.made_at);
    let body = json!({
        "status": if has_snapshot { "ok" } else { "no_snapshot" },
        "snapshot_version": table.version,
        "snapshot_age_seconds": has_snapshot.then_some(age_micros / 1_000_000),
        "models": table.models.len(),
        "replicas": replicas.len(),
        "replicas_up": replicas.values().filter(|replica| replica.is_up()).count(),
    });
    json_response(status, &body)
}

/// The process's metrics, for callers on this machine.
pub(crate) fn metrics(shared: &Shared, is_local: bool) -> Result<Response<Body>, Refusal> {
    let page = shared.page.as_ref().filter(|_| is_local).ok_or_else(Refusal::unknown_path)?;
    let mut response = Response::new(Body::from(Bytes::from(page())));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}

fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
