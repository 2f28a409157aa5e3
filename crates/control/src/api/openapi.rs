//! The OpenAPI 3.1 document, made from the same table as the router.

use std::collections::BTreeSet;

use domain::Kind;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::route::Route;
use super::types::ErrorBody;

/// Problems that every route can have.
const ANYWHERE: [Kind; 2] = [Kind::Unavailable, Kind::Internal];

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in super::routes() {
        let operation = operation(&route, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.key()] = operation;
    }
    // Referred to by every error, also when no route were to name it first.
    let _ = generator.subschema_for::<ErrorBody>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Master Control Program: control API",
            "version": "v1",
            "description": "Models, environments, deployments and keys. Prices are nano-dollars, times are microseconds \
                            since the Unix epoch.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:8001" }],
        "security": [{ "admin": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "admin": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "responses": responses(route, generator),
    });
    let mut parameters = path_parameters(route.path);
    if let Some(query) = route.query {
        parameters.extend(query_parameters(&query(generator), generator));
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = route.body {
        let schema = body(generator);
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    if route.open {
        operation["security"] = json!([]);
    }
    operation
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &route.answers {
        let schema = (answer.schema)(generator);
        let content = json!({ "application/json": { "schema": schema } });
        responses.insert(answer.status.to_string(), json!({ "description": answer.meaning, "content": content }));
    }
    for (status, codes) in problems(route) {
        let schema = generator.subschema_for::<ErrorBody>();
        let content = json!({ "application/json": { "schema": schema } });
        let description = format!("A problem: {}", codes.join(", "));
        responses.insert(status.to_string(), json!({ "description": description, "content": content }));
    }
    Value::Object(responses)
}

/// The statuses of the route's problems, each with the codes that have it.
fn problems(route: &Route) -> Vec<(u16, Vec<&'static str>)> {
    let mut kinds: Vec<Kind> = route.problems.iter().copied().chain(ANYWHERE).collect();
    if !route.open {
        kinds.push(Kind::Unauthenticated);
    }
    if route.body.is_some() {
        kinds.extend([Kind::Invalid, Kind::TooLarge]);
    }
    let statuses: BTreeSet<u16> = kinds.iter().map(|kind| kind.http_status()).collect();
    let codes = |status: u16| {
        let codes: BTreeSet<_> = kinds.iter().filter(|kind| kind.http_status() == status).map(|k| k.code()).collect();
        codes.into_iter().collect()
    };
    statuses.into_iter().map(|status| (status, codes(status))).collect()
}

/// The routes are grouped by what they are about: the first segment after the version.
fn tag(path: &str) -> &str {
    path.trim_start_matches("/v1").split('/').nth(1).unwrap_or_default()
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.map(parameter).collect()
}

/// Each property of the query's type as a parameter. The type itself is not part of the document.
fn query_parameters(reference: &Schema, generator: &mut SchemaGenerator) -> Vec<Value> {
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let definition = name.and_then(|name| generator.definitions_mut().remove(name));
    let properties = definition.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
    };
    properties.into_iter().flatten().map(parameter).collect()
}
