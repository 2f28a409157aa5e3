//! What is stale says so, and since when.

use axum::body::Body;
use axum::http::Request;
use cloud::contract::tools::InstanceStatus;
use serde_json::{Value, json};

use crate::house::House;

async fn settled() -> House {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(3).await;
    house.until(20, "ready", |house| house.cloud.instances(InstanceStatus::Ready).len() == 3).await;
    house.step().await;
    house.step().await;
    house
}

async fn open_health(house: &House) -> Value {
    let request = Request::builder().uri("/health").body(Body::empty()).expect("a request");
    house.send(request).await.1
}

#[tokio::test]
async fn a_control_plane_that_does_its_work_is_well() {
    let house = settled().await;
    assert_eq!(open_health(&house).await, json!({ "status": "ok" }));
    let report = house.done("GET", "/v1/health", None).await;
    assert_eq!((&report["status"], &report["stale"]), (&json!("ok"), &json!([])), "{report}");
    assert_eq!(report["clouds"][0]["name"], json!("fake"));
    assert!(report["clouds"][0]["answered_ms_ago"].as_i64().is_some_and(|age| age < 2_000), "{report}");
    assert_eq!(report["reconcilers"].as_array().map(Vec::len), Some(4), "{report}");
    assert_eq!(report["gateways"][0]["snapshot_version"], report["snapshot_version"]);
}

#[tokio::test]
async fn a_control_plane_that_stopped_looking_says_so_in_health_and_status() {
    let house = settled().await;
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert_eq!((&view["phase"], view.get("stale")), (&json!("ready"), None));
    // The reconcilers stand still; the wall clock is set back, so that nothing seems to have passed.
    house.clock.advance_micros(45_000_000);
    house.step_wall_seconds(-45);
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert_ne!(view["phase"], json!("ready"), "{view}");
    assert!(view["stale"].as_str().is_some_and(|stale| stale.contains("45 s ago")), "{view}");
    let health = open_health(&house).await;
    assert_eq!(health["status"], json!("stale"));
    assert!(health["stale_ms"].as_i64().is_some_and(|age| age >= 44_000), "{health}");
    assert_eq!(health.as_object().map(serde_json::Map::len), Some(2), "no more than that for anybody: {health}");
}

#[tokio::test]
async fn a_silent_cloud_is_named_with_its_age() {
    let mut house = settled().await;
    house.cloud.with(|state| state.silent = true);
    for _ in 0..30 {
        house.step().await;
    }
    let report = house.done("GET", "/v1/health", None).await;
    assert_eq!(report["stale"][0]["part"], json!("cloud fake"), "{report}");
    assert!(report["stale"][0]["age_ms"].as_i64().is_some_and(|age| age > 10_000), "{report}");
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert!(view["stale"].as_str().is_some_and(|stale| stale.contains("cloud fake")), "{view}");
}

#[tokio::test]
async fn a_gateway_that_goes_by_an_old_snapshot_is_named() {
    let mut house = settled().await;
    house.gateway = None;
    house.scale(4).await;
    for _ in 0..60 {
        house.step().await;
    }
    let report = house.done("GET", "/v1/health", None).await;
    assert_eq!(report["stale"][0]["part"], json!("gateway gateway-1"), "{report}");
}
