//! What the gateway answers by itself: the list of models, its health, its metrics.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use listener::Client;
use listener::hosts::is_loopback_authority;
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
    let (_, grant) = identify(&table, headers, shared.clock.now())?;
    let covered: Vec<ModelObject> =
        table.models.values().filter(|model| may_call(grant, model)).map(|model| (&**model).into()).collect();
    Ok(json_response(StatusCode::OK, &json!({"object": "list", "data": covered})))
}

/// One model, when the caller's key covers it; otherwise it does not exist for him.
pub(crate) fn model(shared: &Shared, headers: &HeaderMap, name: &str) -> Result<Response<Body>, Refusal> {
    let table = shared.table.load();
    let (_, grant) = identify(&table, headers, shared.clock.now())?;
    let found = table.models.get(name).filter(|model| may_call(grant, model));
    let model = found.ok_or_else(|| Refusal::unknown_model(name))?;
    Ok(json_response(StatusCode::OK, &json!(ModelObject::from(&**model))))
}

/// Whether the gateway can serve: it can once it has a snapshot, of whatever age. What it serves is told to callers with a
/// key alone.
pub(crate) fn health(shared: &Shared, headers: &HeaderMap) -> Response<Body> {
    let table = shared.table.load();
    let has_snapshot = table.version > 0;
    let status = if has_snapshot { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let now = shared.clock.now();
    let mut body = json!({
        "status": if has_snapshot { "ok" } else { "no_snapshot" },
        "snapshot_age_seconds": has_snapshot.then_some(table.taken_over.elapsed().as_secs()),
    });
    if identify(&table, headers, now).is_ok() {
        let replicas = table.replicas();
        body["snapshot_version"] = table.version.into();
        body["models"] = table.models.len().into();
        body["replicas"] = replicas.len().into();
        body["replicas_up"] = replicas.values().filter(|replica| replica.is_up()).count().into();
    }
    json_response(status, &body)
}

/// The process's metrics, for callers on this machine who call it by a name of this machine: neither for pages that have
/// their own name point here, nor for those whom a proxy on this machine lets in.
pub(crate) fn metrics(shared: &Shared, head: &Request<impl Sized>, client: &Client) -> Result<Response<Body>, Refusal> {
    let is_named_local = |value: &HeaderValue| value.to_str().is_ok_and(is_loopback_authority);
    let is_local = client.address.ip().to_canonical().is_loopback()
        && head.headers().get(header::HOST).is_none_or(is_named_local)
        && !FORWARDED.iter().any(|name| head.headers().contains_key(*name));
    let page = shared.page.as_ref().filter(|_| is_local).ok_or_else(Refusal::unknown_path)?;
    let mut response = Response::new(Body::from(Bytes::from(page())));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}

/// Headers by which a proxy says that somebody else is calling.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// An answer without a body: which methods a path knows.
pub(crate) fn options(allow: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn json_response(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
