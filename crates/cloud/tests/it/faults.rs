//! A site that is out, and a cloud that is stopped or forgotten and comes back.

use std::sync::Arc;
use std::time::Instant;

use cloud::client::CallError;
use cloud::contract::tools::InstanceStatus;
use domain::Kind;
use serde_json::json;
use state::memory::MemoryStore;

use crate::world::{Folder, PATIENCE, World, instances_of, kill};

async fn order(world: &World, role: &str, body: &str) -> (u16, serde_json::Value) {
    let now = domain::Clock::now(&domain::SystemClock);
    let token = world.signer.issue("driller", &world.url, &[role], 60, now).expect("a token");
    let url = world.url.replace("/local/mcp", "/local/faults");
    let response = reqwest::Client::new().post(url).bearer_auth(token).body(body.to_owned()).send().await.expect("it");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_out_of_order_loses_all_and_comes_back_whole() {
    let world = World::start().await;
    world.deploy("us-east", 2, "east").await.expect("it deploys");
    world.deploy("eu-west", 1, "west").await.expect("it deploys");
    world.until_ready("us-east", 2).await;
    let west = world.until_ready("eu-west", 1).await;
    let outage = json!({ "region": "us-east", "outage": true });
    assert_eq!(order(&world, "viewer", &outage.to_string()).await.0, 403);
    for bad in ["", "{}", r#"{"region":"us-east","outage":true,"more":1}"#, r#"{"region":"mars","outage":true}"#] {
        let (status, answer) = order(&world, "operator", bad).await;
        assert!(status == 400 || status == 404, "{bad}: {status} {answer}");
    }
    assert_eq!(instances_of(world.folder.path()).len(), 3, "nothing has happened yet");
    assert_eq!(order(&world, "operator", &outage.to_string()).await, (200, outage));
    let lost = |pool: &cloud::contract::tools::Nodepool| {
        pool.instances.iter().all(|instance| instance.status == InstanceStatus::Lost)
    };
    world.until("us-east", "lost", lost).await;
    let deadline = Instant::now() + PATIENCE;
    while instances_of(world.folder.path()).len() != 1 {
        assert!(Instant::now() < deadline, "killed for real");
    }
    let health = world.health().await;
    let region = health.regions.iter().find(|region| region.region == "us-east").expect("the region");
    assert_eq!((region.available, region.reason.as_deref()), (false, Some("an outage was ordered by driller")));
    match world.scale("us-east", 3, &[], "grow").await {
        Err(CallError::Refused { problem, .. }) => assert_eq!(problem.kind, Kind::Unavailable),
        other => panic!("nothing starts there: {other:?}"),
    }
    world.scale("us-east", 1, &[], "shrink").await.expect("shrinking goes on");
    let back = json!({ "region": "us-east", "outage": false });
    assert_eq!(order(&world, "operator", &back.to_string()).await.0, 200);
    world.until_ready("us-east", 1).await;
    assert_eq!(world.until_ready("eu-west", 1).await, west, "the other site was left alone");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_outlive_their_cloud_and_are_adopted() {
    let store = Arc::new(MemoryStore::new());
    let folder = Arc::new(Folder::new());
    let world = World::start_with(folder, store.clone(), |_| {}).await;
    world.deploy("us-east", 3, "deploy").await.expect("it deploys");
    world.until_ready("us-east", 3).await;
    let before = instances_of(world.folder.path());
    let folder = world.abandon().await;
    assert_eq!(instances_of(folder.path()), before, "they live on");
    let (dead, pid) = before[0].clone();
    kill(pid);
    let world = World::start_with(folder, store.clone(), |_| {}).await;
    let pool = world.until_ready("us-east", 3).await;
    let after = instances_of(world.folder.path());
    assert_eq!(after.iter().filter(|found| before.contains(found)).count(), 2, "two were adopted");
    assert_eq!(after.len(), 3, "and one was started");
    assert_eq!(pool.instances.iter().map(|instance| instance.restarts).sum::<u32>(), 1);
    assert!(pool.instances.iter().all(|instance| instance.id != dead));
    // An adopted one that dies is noticed like any other.
    let (adopted, pid) = after.iter().find(|found| before.contains(found)).expect("one").clone();
    kill(pid);
    let gone = |pool: &cloud::contract::tools::Nodepool| pool.instances.iter().all(|instance| instance.id != adopted);
    world.until("us-east", "without it", gone).await;
    world.until_ready("us-east", 3).await;
    // An orderly end leaves nothing, and the next start brings all back.
    let folder = world.folder.clone();
    world.stop().await;
    let world = World::start_with(folder, store, |_| {}).await;
    world.until_ready("us-east", 3).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_is_open_once() {
    let world = World::start().await;
    let config = crate::world::config(world.folder.path());
    let second = cloud::local::LocalCloud::open(config, Arc::new(MemoryStore::new()), Arc::new(domain::SystemClock));
    assert_eq!(second.await.err().map(|problem| problem.kind), Some(Kind::Conflict));
    world.stop().await;
}
