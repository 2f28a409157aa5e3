//! The API: every bad input has its answer, every good one its effect, and the document says what there is.

use axum::body::Body;
use axum::http::Request;
use control::api::types::{DeploymentView, KeyCreated, ListOf, Plan, PlanAction};
use serde_json::{Value, json};

use crate::house::{House, TOKEN};

async fn furnished() -> House {
    let mut house = House::new();
    house.furnish().await;
    house.step().await;
    house
}

#[tokio::test]
async fn bad_input_is_answered_with_code_cause_and_field() {
    let house = furnished().await;
    house.deploy(1).await;
    let model = |name: &str, version: &str| json!({ "name": name, "version": version, "path": "/nowhere" });
    let environment = |change: Value| {
        let mut body = json!({ "name": "staging", "type": "cpu", "resources": "cpu=1,memory=1Gi" });
        body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        body
    };
    let deployment = |change: Value| {
        let mut body = json!({ "model": "demo:1.0", "environment": "production", "replicas": 1, "name": "other" });
        body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        body
    };
    let (models, environments, deployments, keys) = ("/v1/models", "/v1/environments", "/v1/deployments", "/v1/keys");
    let one = "/v1/deployments/demo-production";
    let table: Vec<(&str, &str, Value, u16, &str)> = vec![
        ("POST", models, model("Demo", "1.0"), 400, "name"),
        ("POST", models, model("demo", "a b"), 400, "version"),
        ("POST", models, json!({ "name": "demo" }), 400, "version"),
        ("POST", models, json!({ "name": "demo", "version": "1", "path": "/x", "colour": 1 }), 400, "colour"),
        ("POST", models, json!([]), 400, ""),
        ("POST", environments, environment(json!({ "resources": "cpu=-1" })), 400, "resources"),
        ("POST", environments, environment(json!({ "resources": "disk=3" })), 400, "resources"),
        ("POST", environments, environment(json!({ "type": "tpu" })), 400, ""),
        ("POST", environments, environment(json!({ "type": "gpu" })), 400, "type"),
        ("POST", environments, environment(json!({ "resources": "gpu=1" })), 400, "type"),
        ("POST", environments, environment(json!({ "clouds": ["nowhere"] })), 400, "clouds"),
        ("POST", environments, environment(json!({ "sites": ["fake"] })), 400, "sites"),
        ("POST", environments, environment(json!({ "sites": ["other/x"] })), 400, "sites"),
        ("POST", environments, environment(json!({ "countries": ["Germany"] })), 400, "countries"),
        ("POST", environments, environment(json!({ "max_price_per_hour_usd": -1 })), 400, "max_price_per_hour_usd"),
        ("POST", environments, environment(json!({ "name": "" })), 400, "name"),
        (
            "POST",
            environments,
            environment(json!({ "name": "production", "type": "cpu", "resources": "cpu=2" })),
            409,
            "name",
        ),
        ("POST", deployments, deployment(json!({ "model": "demo" })), 400, "model"),
        ("POST", deployments, deployment(json!({ "model": "demo:9.9" })), 404, "model"),
        ("POST", deployments, deployment(json!({ "environment": "nowhere" })), 404, "environment"),
        ("POST", deployments, deployment(json!({ "replicas": -1 })), 400, "replicas"),
        ("POST", deployments, deployment(json!({ "replicas": 1001 })), 400, "replicas"),
        ("POST", deployments, deployment(json!({ "replicas": 1.5 })), 400, ""),
        ("POST", deployments, deployment(json!({ "replicas": 31 })), 503, "replicas"),
        ("POST", deployments, deployment(json!({ "market": "lottery" })), 400, ""),
        ("POST", deployments, deployment(json!({ "name": "demo-production", "replicas": 2 })), 409, "name"),
        ("POST", "/v1/plans", deployment(json!({ "replicas": -7 })), 400, "replicas"),
        ("PATCH", one, json!({ "replicas": -3 }), 400, "replicas"),
        ("PATCH", one, json!({ "replicas": 400 }), 503, "replicas"),
        ("PATCH", one, json!({ "size": 3 }), 400, "size"),
        ("PATCH", "/v1/deployments/nobody", json!({ "replicas": 3 }), 404, "deployment"),
        ("POST", keys, json!({ "name": "me", "expires_in_seconds": 0 }), 400, "expires_in_seconds"),
        ("POST", keys, json!({ "name": "me", "models": ["a b"] }), 400, "models"),
        ("POST", keys, json!({ "name": "ME" }), 400, "name"),
    ];
    for (method, path, body, status, field) in table {
        let (found, answer) = house.call(method, path, Some(body.clone())).await;
        let error = &answer["error"];
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        assert_eq!(error["field"].as_str().unwrap_or_default(), field, "{method} {path} {body}: {answer}");
        assert!(error["code"].as_str().is_some_and(|code| code.starts_with("MCP00")), "{answer}");
        assert!(error["cause"].is_string() && error["next_step"].is_string() || status == 400, "{answer}");
    }
}

#[tokio::test]
async fn things_that_are_not_there_and_things_in_use() {
    let house = furnished().await;
    house.deploy(1).await;
    for (method, path, status) in [
        ("GET", "/v1/models/demo:2.0", 404),
        ("GET", "/v1/models/%F0%9F%98%80", 404),
        ("DELETE", "/v1/models/demo:2.0", 404),
        ("DELETE", "/v1/models/demo:1.0", 409),
        ("GET", "/v1/environments/nowhere", 404),
        ("DELETE", "/v1/environments/production", 409),
        ("DELETE", "/v1/environments/nowhere", 404),
        ("GET", "/v1/deployments/nobody", 404),
        ("DELETE", "/v1/deployments/nobody", 404),
        ("GET", "/v1/deployments/nobody/events", 404),
        ("GET", "/v1/deployments/NO%20BODY/events", 404),
        ("GET", "/v1/deployments/nobody/logs", 404),
        ("GET", "/v1/deployments/demo-production/logs?replica=none", 404),
        ("GET", "/v1/deployments/demo-production/logs?tail=0", 400),
        ("GET", "/v1/deployments/demo-production/logs?lines=3", 400),
        ("GET", "/v1/deployments/demo-production/events?limit=1001", 400),
        ("GET", "/v1/deployments/demo-production/events?limit=-1", 400),
        ("GET", "/v1/deployments/demo-production/events?from=99999", 200),
        ("DELETE", "/v1/keys/key-none", 404),
        ("GET", "/v1", 404),
        ("GET", "/", 404),
        ("PUT", "/v1/models", 405),
        ("POST", "/healthz", 405),
    ] {
        let (found, answer) = house.call(method, path, None).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(status == 200 || answer["error"]["code"].is_string(), "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large() {
    let house = furnished().await;
    let send = async |body: Vec<u8>| {
        let request =
            Request::builder().method("POST").uri("/v1/deployments").header("authorization", format!("bearer {TOKEN}"));
        house.send(request.body(Body::from(body)).expect("a request")).await
    };
    for body in [&b""[..], b"{", b"\xff\xfe", b"null", b"{}{}", b"[[[[[[[["] {
        let (status, answer) = send(body.to_vec()).await;
        assert_eq!((status.as_u16(), &answer["error"]["code"]), (400, &json!("MCP0001")), "{body:?}: {answer}");
    }
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert_eq!(send(deep).await.0, 400);
    let (status, answer) = send(vec![b' '; 33 << 20]).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (413, &json!("MCP0006")), "{answer}");
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let house = furnished().await;
    let right = format!("Bearer {TOKEN}");
    for (header, status) in [
        (None, 401),
        (Some("Bearer wrong-token-altogether"), 401),
        (Some("Bearer "), 401),
        (Some("Basic a-token-for-tests-only"), 401),
        (Some(right.trim_end_matches('y')), 401),
        (Some(right.as_str()), 200),
    ] {
        let mut request = Request::builder().uri("/v1/models");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let (found, answer) = house.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(found, status, "{header:?}: {answer}");
    }
    // Nor what there is and what is not.
    for (method, path) in [("GET", "/v1/nothing"), ("PUT", "/v1/models"), ("GET", "/v1/deployments/x"), ("GET", "/x")] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let (status, answer) = house.send(request).await;
        assert_eq!((status.as_u16(), &answer["error"]["code"]), (401, &json!("MCP0002")), "{method} {path}: {answer}");
    }
    for open in ["/health", "/healthz", "/openapi.json"] {
        let (status, _) = house.send(Request::builder().uri(open).body(Body::empty()).expect("a request")).await;
        assert_eq!(status, 200, "{open}");
    }
}

#[tokio::test]
async fn every_route_of_the_document_is_there_and_guarded() {
    let house = furnished().await;
    let document = control::api::openapi::document();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let open = operation["security"] == json!([]);
            let uri = path.replace("{name}", "x").replace("{model}", "x").replace("{id}", "x");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(uri);
            let (status, _) = house.send(request.body(Body::empty()).expect("a request")).await;
            assert_eq!(status.as_u16(), if open { 200 } else { 401 }, "{method} {path}");
        }
    }
}

#[test]
fn the_document_is_as_reviewed() {
    insta::assert_json_snapshot!("openapi", control::api::openapi::document());
}

#[tokio::test]
async fn a_plan_says_where_why_and_what_it_costs() {
    let mut house = furnished().await;
    let body = json!({ "model": "demo:1.0", "environment": "production", "replicas": 2 });
    let read = |value: Value| serde_json::from_value::<Plan>(value).expect("a plan");
    let plan = read(house.done("POST", "/v1/plans", Some(body.clone())).await);
    assert_eq!((plan.action, plan.deployment.as_str()), (PlanAction::Create, "demo-production"));
    let sites: Vec<String> = plan.placements.iter().map(|placement| placement.site.to_string()).collect();
    assert_eq!(sites, ["fake/ap-south", "fake/us-east"], "the two cheapest");
    assert_eq!(plan.price_per_hour.dollars(), 0.07);
    assert_eq!(
        (plan.rejected[0].site.to_string().as_str(), plan.rejected[0].reason.as_str()),
        ("fake/eu-west", "not_needed")
    );
    assert!(house.cloud.sizes().is_empty(), "planning does nothing");
    house.deploy(2).await;
    for _ in 0..6 {
        house.step().await;
    }
    assert_eq!(read(house.done("POST", "/v1/plans", Some(body.clone())).await).action, PlanAction::None);
    let mut more = body.clone();
    more["replicas"] = json!(3);
    let plan = read(house.done("POST", "/v1/plans", Some(more)).await);
    assert_eq!((plan.action, plan.replicas_now, plan.price_per_hour_now.dollars()), (PlanAction::Change, 2, 0.07));
    let mut too_many = body;
    too_many["replicas"] = json!(40);
    let plan = read(house.done("POST", "/v1/plans", Some(too_many)).await);
    assert_eq!(plan.shortage.expect("thirty is all there is").code, "MCP0008");
}

#[tokio::test]
async fn constraints_reach_the_plan() {
    let house = furnished().await;
    let environment = json!({ "name": "eu", "type": "cpu", "resources": "cpu=1", "countries": ["ie"] });
    house.done("POST", "/v1/environments", Some(environment)).await;
    let body = json!({ "model": "demo:1.0", "environment": "eu", "replicas": 2 });
    let plan = house.done("POST", "/v1/plans", Some(body)).await;
    assert_eq!(plan["placements"][0]["site"], json!("fake/eu-west"));
    assert_eq!(plan["rejected"][0]["reason"], json!("residency"));
    let dear = json!({ "name": "cheap", "type": "cpu", "resources": "cpu=1", "max_price_per_hour_usd": 0.01 });
    house.done("POST", "/v1/environments", Some(dear)).await;
    let body = json!({ "model": "demo:1.0", "environment": "cheap", "replicas": 1 });
    let (status, answer) = house.call("POST", "/v1/deployments", Some(body)).await;
    let cause = answer["error"]["cause"].as_str().unwrap_or_default();
    assert!(status == 503 && cause.contains("$0.0100/h"), "{answer}");
}

#[tokio::test]
async fn creating_the_same_twice_is_creating_it_once() {
    let house = furnished().await;
    let first = house.deploy(2).await;
    let body = json!({ "model": "demo:1.0", "environment": "production", "replicas": 2 });
    let (status, again) = house.call("POST", "/v1/deployments", Some(body)).await;
    assert_eq!((status.as_u16(), &again["uid"]), (200, &first["uid"]));
    let listed = house.done("GET", "/v1/deployments", None).await;
    let listed: ListOf<DeploymentView> = serde_json::from_value(listed).expect("deployments");
    assert_eq!(listed.items.len(), 1);
}

/// Prefix reuse is partitioned by project, and shared only where every environment of a model says so.
#[tokio::test]
async fn keys_have_projects_and_environments_may_share_prefixes() {
    let mut house = furnished().await;
    let made = house.done("POST", "/v1/keys", Some(json!({ "name": "me", "project": "search" }))).await;
    assert_eq!(made["key"]["project"], "search");
    let refused = house.call("POST", "/v1/keys", Some(json!({ "name": "me", "project": "A b" }))).await;
    assert_eq!((refused.0.as_u16(), &refused.1["error"]["field"]), (400, &json!("project")));
    house.step().await;
    let snapshot = house.snapshot().await.expect("there is one");
    let projects: Vec<_> = snapshot.keys.values().filter_map(|grant| grant.project.clone()).collect();
    assert_eq!(projects, ["search".parse().expect("a name")]);

    let shared =
        json!({ "name": "shared", "type": "cpu", "resources": "cpu=1,memory=1Gi", "shared_prefix_cache": true });
    house.done("POST", "/v1/environments", Some(shared)).await;
    let deploy = |environment: &str| json!({ "model": "demo:1.0", "environment": environment, "replicas": 1 });
    house.done("POST", "/v1/deployments", Some(deploy("shared"))).await;
    house.step().await;
    assert!(house.snapshot().await.expect("there is one").models["demo"].shared_prefix_cache);
    house.done("POST", "/v1/deployments", Some(deploy("production"))).await;
    house.step().await;
    assert!(!house.snapshot().await.expect("there is one").models["demo"].shared_prefix_cache);
}

#[tokio::test]
async fn keys_are_shown_once_and_kept_as_hashes() {
    let mut house = furnished().await;
    let (status, answer) = house.call("POST", "/v1/keys", Some(json!({ "name": "me", "models": ["demo"] }))).await;
    assert_eq!(status, 201);
    let created: KeyCreated = serde_json::from_value(answer).expect("a key");
    assert!(created.secret.starts_with("sk-") && created.secret.len() == 46);
    assert!(!format!("{created:?}").contains(&created.secret), "no secret in logs");
    house.step().await;
    let snapshot = house.snapshot().await.expect("there is one");
    let grant = &snapshot.keys[&access::api_key::hash(&created.secret)];
    assert_eq!((grant.id.as_str(), grant.models.as_slice()), (created.key.id.as_str(), &["demo".to_owned()][..]));
    let listed = house.done("GET", "/v1/keys", None).await.to_string();
    assert!(listed.contains(&created.key.id) && !listed.contains(&created.secret) && !listed.contains("hash"));
    house.done("DELETE", &format!("/v1/keys/{}", created.key.id), None).await;
    house.step().await;
    assert!(house.snapshot().await.expect("there is one").keys.is_empty());
}

#[tokio::test]
async fn a_cloud_that_never_answered_is_no_place() {
    let house = House::new();
    house.furnish().await;
    house.cloud.with(|state| state.silent = true);
    let body = json!({ "model": "demo:1.0", "environment": "production", "replicas": 1 });
    let (status, answer) = house.call("POST", "/v1/deployments", Some(body)).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (503, &json!("MCP0010")), "{answer}");
    let clouds = house.done("GET", "/v1/clouds", None).await;
    assert_eq!(clouds["items"][0]["answers"], json!(false));
    house.cloud.with(|state| state.silent = false);
    house.clock.advance_micros(2_000_000);
    let clouds = house.done("GET", "/v1/clouds", None).await;
    assert_eq!(clouds["items"][0]["sites"].as_array().map(Vec::len), Some(3), "{clouds}");
}
