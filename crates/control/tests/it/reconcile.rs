//! What the reconcilers do, scene by scene.

use cloud::contract::tools::InstanceStatus;
use serde_json::{Value, json};
use state::Store as _;

use crate::fake_cloud::Fault;
use crate::house::House;

fn sizes(pairs: &[(&str, u32)]) -> std::collections::BTreeMap<String, u32> {
    pairs.iter().map(|(region, size)| ((*region).to_owned(), *size)).collect()
}

async fn settled(replicas: u32) -> House {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(replicas).await;
    let count = replicas as usize;
    house.until(20, "ready", |house| house.cloud.instances(InstanceStatus::Ready).len() == count).await;
    house.step().await;
    house.step().await;
    house
}

#[tokio::test]
async fn a_deployment_spreads_and_is_routed() {
    let house = settled(3).await;
    assert_eq!(house.cloud.sizes(), sizes(&[("ap-south", 1), ("eu-west", 1), ("us-east", 1)]));
    let mut routed = house.routed().await;
    routed.sort();
    let mut ready = house.cloud.instances(InstanceStatus::Ready);
    ready.sort();
    assert_eq!(routed, ready);
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert_eq!((&view["phase"], &view["replicas_ready"]), (&json!("ready"), &json!(3)));
    assert_eq!(view["price_per_hour"], json!(120_000_000));
    assert_eq!(view["sites"][0]["replicas"][0]["phase"], json!("ready"));
    let snapshot = house.snapshot().await.expect("there is one");
    assert_eq!(snapshot.models["demo"], snapshot.models["demo:1.0"]);
    assert_eq!(snapshot.models["demo"].context_tokens, 512);
}

#[tokio::test]
async fn a_settled_world_is_left_alone() {
    let mut house = settled(4).await;
    let (writes, snapshot) = (house.cloud.with(|state| state.writes), house.snapshot().await);
    for _ in 0..10 {
        house.step().await;
    }
    assert_eq!(house.cloud.with(|state| state.writes), writes);
    assert_eq!(house.snapshot().await, snapshot);
}

#[tokio::test]
async fn removal_waits_for_the_gateway() {
    let mut house = settled(3).await;
    let busy = house.routed().await;
    house.gateway = Some(busy.iter().map(|id| (id.clone(), 1)).collect());
    house.scale(0).await;
    for _ in 0..10 {
        house.step().await;
    }
    assert_eq!(house.cloud.instances(InstanceStatus::Ready).len(), 3, "each still answers a request");
    assert!(house.routed().await.is_empty(), "and gets no new one");
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert_eq!(view["sites"][0]["replicas"][0]["phase"], json!("draining"));
    house.gateway = Some(Default::default());
    house.until(10, "gone", |house| house.cloud.sizes().is_empty()).await;
}

#[tokio::test]
async fn removal_does_not_wait_for_ever() {
    let mut house = settled(2).await;
    let busy = house.routed().await;
    house.gateway = Some(busy.iter().map(|id| (id.clone(), 1)).collect());
    house.scale(1).await;
    house.until(75, "smaller", |house| house.cloud.sizes().len() == 1).await;
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_gone() {
    let mut house = settled(2).await;
    house.gateway = None;
    house.scale(0).await;
    for _ in 0..8 {
        house.step().await;
    }
    assert_eq!(house.cloud.sizes().len(), 2, "it is given time to answer");
    house.until(8, "gone", |house| house.cloud.sizes().is_empty()).await;
}

#[tokio::test]
async fn the_loss_of_a_site_is_made_good_elsewhere_and_mended_lazily() {
    let mut house = settled(3).await;
    let kept = house.routed().await;
    house.cloud.site_out("eu-west");
    // 2 s of patience and the start of a replica: within 10 s, at half a second a step.
    house.until(12, "replaced", |house| house.cloud.instances(InstanceStatus::Ready).len() == 3).await;
    house.step().await;
    house.step().await;
    assert_eq!(house.cloud.sizes().get("eu-west"), None, "what is wanted there has moved");
    let still = house.routed().await;
    assert_eq!(still.len(), 3);
    assert_eq!(kept.iter().filter(|id| still.contains(id)).count(), 2, "those that ran were not touched");
    house.cloud.with(|state| state.sites.get_mut("eu-west").expect("a site").available = true);
    house
        .until(30, "back", |house| house.cloud.sizes() == sizes(&[("ap-south", 1), ("eu-west", 1), ("us-east", 1)]))
        .await;
}

#[tokio::test]
async fn never_fewer_than_wanted_while_replicas_move_back() {
    let mut house = settled(3).await;
    house.cloud.site_out("eu-west");
    house.until(12, "replaced", |house| house.cloud.instances(InstanceStatus::Ready).len() == 3).await;
    house.step().await;
    house.cloud.with(|state| state.sites.get_mut("eu-west").expect("a site").available = true);
    for _ in 0..30 {
        house.step().await;
        assert!(house.routed().await.len() >= 3, "{:?}", house.cloud.sizes());
    }
    assert_eq!(house.cloud.sizes().get("eu-west"), Some(&1));
}

#[tokio::test]
async fn a_short_outage_moves_nothing() {
    let mut house = settled(3).await;
    let writes = house.cloud.with(|state| state.writes);
    house.cloud.with(|state| state.sites.get_mut("eu-west").expect("a site").available = false);
    house.step().await;
    house.step().await;
    house.cloud.with(|state| state.sites.get_mut("eu-west").expect("a site").available = true);
    for _ in 0..10 {
        house.step().await;
    }
    assert_eq!(house.cloud.with(|state| state.writes), writes);
}

#[tokio::test]
async fn a_silent_cloud_keeps_its_replicas_routed() {
    let mut house = settled(3).await;
    let routed = house.routed().await;
    house.cloud.with(|state| state.silent = true);
    for _ in 0..60 {
        house.step().await;
    }
    assert_eq!(house.routed().await, routed);
    let view = house.done("GET", "/v1/deployments/demo-production", None).await;
    assert_eq!(view["phase"], json!("degraded"), "{view}");
    house.restart();
    house.step().await;
    assert_eq!(house.routed().await, routed, "also by a process that never heard the cloud");
    house.cloud.with(|state| state.silent = false);
    for _ in 0..10 {
        house.step().await;
    }
    assert_eq!(house.routed().await, routed);
}

#[tokio::test]
async fn faults_are_retried_and_told_once() {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(3).await;
    let faults = [Fault::Refuses, Fault::NothingHeardButDone, Fault::NothingHeardNothingDone];
    house.cloud.with(|state| state.faults.extend(faults));
    house.until(20, "ready", |house| house.cloud.instances(InstanceStatus::Ready).len() == 3).await;
    assert_eq!(house.cloud.with(|state| state.started), 3);
    let events = house.done("GET", "/v1/deployments/demo-production/events", None).await;
    let told = |text: &str| {
        let items = events["items"].as_array().expect("a list");
        items.iter().filter(|event| event["why"].as_str().is_some_and(|why| why.contains(text))).count()
    };
    assert_eq!(told("there is no room now"), 1, "{events}");
    assert_eq!(told("did not answer in time"), 2, "{events}");
}

#[tokio::test]
async fn a_lost_instance_is_another_replica_when_replaced() {
    let mut house = settled(1).await;
    let before = house.routed().await;
    house.cloud.with(|state| {
        let pool = state.pools.values_mut().next().expect("a pool");
        pool.instances[0].status = InstanceStatus::Lost;
    });
    house.until(10, "replaced", |house| house.cloud.instances(InstanceStatus::Ready).len() == 1).await;
    house.step().await;
    let after = house.routed().await;
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
}

#[tokio::test]
async fn deletion_leaves_nothing_behind() {
    let mut house = settled(3).await;
    house.done("DELETE", "/v1/deployments/demo-production", None).await;
    house.until(20, "gone", |house| house.cloud.sizes().is_empty()).await;
    for _ in 0..4 {
        house.step().await;
    }
    let (status, _) = house.call("GET", "/v1/deployments/demo-production", None).await;
    assert_eq!(status, 404);
    let snapshot = house.snapshot().await.expect("there is one");
    assert!(snapshot.models.is_empty(), "{snapshot:?}");
    let events = house.done("GET", "/v1/deployments/demo-production/events?limit=1000", None).await;
    let last: Vec<&Value> = events["items"].as_array().expect("a list").iter().map(|event| &event["what"]).collect();
    assert!(last.contains(&&json!("deleted")), "{last:?}");
    house.done("DELETE", "/v1/environments/production", None).await;
    house.done("DELETE", "/v1/models/demo:1.0", None).await;
}

#[tokio::test]
async fn a_pool_that_nobody_owns_is_swept() {
    let mut house = settled(2).await;
    let orphan = house.cloud.with(|state| {
        let mut pool = state.pools.values().next().expect("a pool").clone();
        pool.nodepool = "left-behind".to_owned();
        pool.labels.insert("deployment_uid".to_owned(), "nobody".to_owned());
        pool.instances.clear();
        let key = (pool.region.clone(), pool.nodepool.clone());
        state.pools.insert(key.clone(), pool);
        key
    });
    house.until(6, "swept", |house| house.cloud.with(|state| !state.pools.contains_key(&orphan))).await;
    let foreign = house.cloud.with(|state| {
        let mut pool = state.pools.values().next().expect("a pool").clone();
        pool.nodepool = "somebody-elses".to_owned();
        pool.labels.clear();
        let key = (pool.region.clone(), pool.nodepool.clone());
        state.pools.insert(key.clone(), pool);
        key
    });
    for _ in 0..6 {
        house.step().await;
    }
    assert!(house.cloud.with(|state| state.pools.contains_key(&foreign)), "what others made is theirs");
}

#[tokio::test]
async fn the_newest_version_answers_to_the_bare_name_once_it_serves() {
    let mut house = settled(1).await;
    let path = crate::house::write_model(house.folder.path(), "demo2.gguf", "llama", 1);
    house.clock.advance_micros(1);
    house.done("POST", "/v1/models", Some(json!({ "name": "demo", "version": "2.0", "path": path }))).await;
    let body = json!({ "name": "next", "model": "demo:2.0", "environment": "production", "replicas": 1 });
    house.done("POST", "/v1/deployments", Some(body)).await;
    house.step().await;
    let version = async |house: &House| house.snapshot().await.expect("one").models["demo"].model.to_string();
    assert_eq!(version(&house).await, "demo:1.0", "the new one does not serve yet");
    house.until(10, "ready", |house| house.cloud.instances(InstanceStatus::Ready).len() == 2).await;
    house.step().await;
    assert_eq!(version(&house).await, "demo:2.0");
}

/// A gateway tells of a request of which replicas died: one event, though it tells so again and again.
#[tokio::test]
async fn a_request_of_which_replicas_died_is_an_event() {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(1).await;
    house.step().await;
    let request = |number: u64| domain::DeadlyRequest {
        number,
        model: "demo:1.0".parse().expect("a model"),
        fingerprint: format!("00ff{number}"),
        replicas: vec!["r-1".to_owned(), "r-2".to_owned()],
        at: domain::Timestamp(1_700_000_000_000_000),
    };
    let tell = async |house: &House, started: i64, numbers: &[u64]| {
        let status = domain::GatewayStatus {
            gateway: "gateway-2".to_owned(),
            started_at: domain::Timestamp(started),
            at: domain::Timestamp(1_700_000_000_000_000),
            snapshot_version: u64::MAX,
            deadly: numbers.iter().map(|number| request(*number)).collect(),
            ..domain::GatewayStatus::default()
        };
        let write = state::objects::put(&status, state::Expect::Any).expect("it serialises");
        house.store.commit(state::Batch::new().with(write)).await.expect("the store takes it");
    };
    let events = async |house: &House| {
        let events = house.done("GET", "/v1/deployments/demo-production/events?limit=1000", None).await;
        let all = events["items"].as_array().expect("a list").clone();
        all.into_iter()
            .filter(|event| event["what"].as_str().is_some_and(|what| what.contains("00ff")))
            .collect::<Vec<_>>()
    };
    tell(&house, 1, &[1, 2]).await;
    house.step().await;
    house.step().await;
    assert_eq!(events(&house).await.len(), 2);
    assert_eq!(events(&house).await[0]["why"], "replicas died while they answered it: r-1, r-2");
    tell(&house, 1, &[1, 2, 3]).await;
    house.step().await;
    assert_eq!(events(&house).await.len(), 3);
    // Started again, it counts from one.
    tell(&house, 2, &[1]).await;
    house.step().await;
    assert_eq!(events(&house).await.len(), 4);
}
