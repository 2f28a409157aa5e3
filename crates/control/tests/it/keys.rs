//! Keys end, are replaced and revoked, and what is said of them is true at the gateways.

use control::reconcilers::snapshot::{Inputs, SNAPSHOT_MAX_BYTES, expected_bytes};
use domain::{KeyGrant, Timestamp};
use serde_json::{Value, json};

use crate::house::House;

async fn furnished() -> House {
    let mut house = House::new();
    house.furnish().await;
    house.step().await;
    house.step().await;
    house
}

/// Calls the API while the rest of the world goes on.
async fn call(house: &mut House, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let router = house.control.router();
    let request = axum::http::Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", crate::house::TOKEN))
        .body(body.map_or_else(axum::body::Body::empty, |body| axum::body::Body::from(body.to_string())))
        .expect("a request");
    let answer = async {
        let response = tower::ServiceExt::oneshot(router, request).await.expect("it never fails");
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    };
    let world = async {
        // Half a minute, in which nobody is taken to be gone.
        for _ in 0..60 {
            house.step().await;
            tokio::task::yield_now().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = world => unreachable!("it never ends"),
    }
}

async fn granted(house: &House, id: &str) -> Option<KeyGrant> {
    let snapshot = house.snapshot().await.expect("there is one");
    snapshot.keys.into_values().find(|grant| grant.id == id)
}

#[tokio::test]
async fn a_revocation_that_gateways_took_over_is_confirmed() {
    let mut house = furnished().await;
    let (status, made) = call(&mut house, "POST", "/v1/keys", Some(json!({ "name": "me" }))).await;
    assert_eq!((status, &made["confirmed"]), (201, &json!(true)), "{made}");
    let id = made["key"]["id"].as_str().expect("an id").to_owned();
    let (status, revoked) = call(&mut house, "DELETE", &format!("/v1/keys/{id}"), None).await;
    assert_eq!((status, &revoked["confirmed"]), (200, &json!(true)), "{revoked}");
    assert_eq!(revoked["id"], json!(id));
    assert_eq!(granted(&house, &id).await, None);
}

#[tokio::test]
async fn a_revocation_that_a_gateway_did_not_take_over_says_so() {
    let mut house = furnished().await;
    let (_, made) = call(&mut house, "POST", "/v1/keys", Some(json!({ "name": "me" }))).await;
    let id = made["key"]["id"].as_str().expect("an id").to_owned();
    // The gateway runs on and hears nothing any more.
    house.gateway = None;
    let (status, revoked) = call(&mut house, "DELETE", &format!("/v1/keys/{id}"), None).await;
    assert_eq!((status, &revoked["confirmed"]), (202, &json!(false)), "{revoked}");
    assert_eq!(revoked["pending_gateways"], json!(["gateway-1"]));
    // Nor is it said to be done where no snapshot is written.
    let (_, made) = call(&mut house, "POST", "/v1/keys", Some(json!({ "name": "other" }))).await;
    let path = format!("/v1/keys/{}", made["key"]["id"].as_str().expect("an id"));
    let (status, revoked) = house.call("DELETE", &path, None).await;
    assert_eq!((status.as_u16(), &revoked["confirmed"]), (202, &json!(false)), "{revoked}");
}

#[tokio::test]
async fn a_key_is_replaced_at_once_or_after_a_grace_and_ends_when_told() {
    let mut house = furnished().await;
    let body = json!({ "name": "app", "models": ["demo"] });
    let (_, made) = call(&mut house, "POST", "/v1/keys", Some(body)).await;
    let id = made["key"]["id"].as_str().expect("an id").to_owned();
    let rotate = |id: &str| format!("/v1/keys/{id}/rotate");
    let (status, next) = call(&mut house, "POST", &rotate(&id), Some(json!({ "grace_seconds": 60 }))).await;
    assert_eq!((status, &next["key"]["models"], &next["key"]["name"]), (201, &json!(["demo"]), &json!("app")));
    assert_ne!(next["secret"], made["secret"]);
    let ends = granted(&house, &id).await.expect("it works for a minute").expires_at.expect("and no longer");
    let now = domain::Clock::now(&*house.clock);
    assert!(ends > now && ends <= Timestamp(now.0 + 60_000_000));
    let second = next["key"]["id"].as_str().expect("an id").to_owned();
    let (_, third) = call(&mut house, "POST", &rotate(&second), Some(json!({}))).await;
    assert_eq!(granted(&house, &second).await, None, "replaced at once");
    let third = third["key"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/keys/{third}");
    let (status, changed) = call(&mut house, "PATCH", &path, Some(json!({ "expires_in_seconds": 5 }))).await;
    assert_eq!((status, &changed["confirmed"]), (200, &json!(true)), "{changed}");
    assert!(granted(&house, &third).await.expect("for five seconds").expires_at.is_some());
    let (status, _) = house.call("PATCH", &path, Some(json!({ "expires_in_seconds": 0 }))).await;
    assert_eq!(status.as_u16(), 400);
    let (status, _) = house.call("POST", &rotate("key-unknown"), Some(json!({}))).await;
    assert_eq!(status.as_u16(), 404);
}

#[tokio::test]
async fn what_cannot_be_routed_is_refused_and_what_is_revoked_goes_all_the_same() {
    let mut house = furnished().await;
    // Keys with a hundred long names each, as many as fit.
    let models: Vec<String> = (0..100).map(|n| format!("{}{n:03}:{}", "m".repeat(60), "v".repeat(63))).collect();
    let key = |n: usize| {
        let mut key = template();
        (key.id, key.name) = (format!("key-{n:012}"), "many".to_owned());
        (key.hash, key.models) = (format!("{n:064x}"), models.clone());
        key
    };
    let bytes_of = |count: usize| expected_bytes(&Inputs { keys: (0..count).map(key).collect(), ..Inputs::default() });
    // Room for one more, with what the models take.
    let count = (SNAPSHOT_MAX_BYTES - bytes_of(0)) / (bytes_of(2) - bytes_of(1)) - 2;
    let writes = (0..count).map(|n| state::objects::put(&key(n), state::Expect::Any).expect("plain"));
    let batch = state::Batch { fences: Vec::new(), writes: writes.collect() };
    state::Store::commit(&*house.store, batch).await.expect("room in the store");
    let body = Some(json!({ "name": "one-more", "models": models }));
    let mut made = 0;
    let (status, answer) = loop {
        let (status, answer) = call(&mut house, "POST", "/v1/keys", body.clone()).await;
        if status != 201 {
            break (status, answer);
        }
        made += 1;
        assert!(made < 5, "never refused");
    };
    assert!(made > 0, "there was room for one more");
    let cause = answer["error"]["cause"].as_str().unwrap_or_default();
    assert!(status == 409 && cause.contains("routing snapshot"), "{answer}");
    assert_eq!(answer["error"]["field"], json!("models"));
    let listed = house.done("GET", "/v1/keys", None).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(count + made), "nothing was kept of it");
    // What is there is routed, and a key that is revoked is revoked at the gateway.
    for _ in 0..4 {
        house.step().await;
    }
    let first = key(0);
    assert!(granted(&house, &first.id).await.is_some());
    let (status, answer) = call(&mut house, "DELETE", &format!("/v1/keys/{}", first.id), None).await;
    assert_eq!((status, &answer["confirmed"]), (200, &json!(true)), "{answer}");
    assert_eq!(granted(&house, &first.id).await, None);
}

/// A key with nothing said.
fn template() -> control::registry::keys::ApiKey {
    let json = json!({ "id": "", "name": "", "hash": "", "models": [], "expires_at": null, "created_at": 0 });
    serde_json::from_value(json).expect("a key")
}

#[tokio::test]
async fn the_admin_token_is_rotated_where_it_can_be_kept() {
    let house = furnished().await;
    let (status, answer) = house.call("POST", "/v1/admin-token/rotate", None).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (501, &json!("MCP0009")), "{answer}");
    let kept = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let control = house.with_token_keeper(kept.clone());
    let send = |token: String, method: &'static str, path: &'static str| {
        let router = control.router();
        async move {
            let request = axum::http::Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::empty())
                .expect("a request");
            tower::ServiceExt::oneshot(router, request).await.expect("it never fails").status().as_u16()
        }
    };
    let old = crate::house::TOKEN.to_owned();
    assert_eq!(send(old.clone(), "POST", "/v1/admin-token/rotate").await, 200);
    let new = kept.lock().expect("free").clone();
    assert_eq!(new.len(), 64);
    assert_eq!(send(old, "GET", "/v1/models").await, 401);
    assert_eq!(send(new, "GET", "/v1/models").await, 200);
}
