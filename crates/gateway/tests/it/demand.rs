//! What is asked of models whose replicas follow the load: counted, told through the store, and answered when none is there.

use std::sync::Arc;

use domain::{ModelDemand, ReplicaRoute, RoutingSnapshot};

use crate::bench::{Bench, CHAT, CHAT_STREAM, KEY, config, eventually, post, routes, snapshot};
use crate::snapshots::SwitchedStore;
use crate::upstream::{Act, Upstream};

/// A snapshot whose replicas follow the load.
fn scaled(version: u64, replicas: Vec<ReplicaRoute>) -> RoutingSnapshot {
    let mut snapshot = snapshot(version, replicas);
    snapshot.models.values_mut().for_each(|route| route.starts_in_seconds = Some(42));
    snapshot
}

async fn told(store: &SwitchedStore) -> Option<ModelDemand> {
    store.status().await?.demand.get("demo:1.0").copied()
}

async fn is_told(store: &Arc<SwitchedStore>, what: &str, wanted: impl Fn(&ModelDemand) -> bool) {
    eventually(what, || async { told(store).await.is_some_and(|demand| wanted(&demand)) }).await;
}

#[tokio::test]
async fn requests_and_tokens_are_counted_under_all_names_and_over_snapshots() {
    let upstream = Upstream::start().await;
    let store = SwitchedStore::new();
    store.publish(&scaled(1, routes(&[&upstream]))).await;
    let bench = Bench::with_store(store.clone(), config()).await;
    is_told(&store, "zero is told", |demand| *demand == ModelDemand::default()).await;
    for body in [CHAT, CHAT_STREAM, &CHAT.replace("demo", "demo:1.0")] {
        assert_eq!(bench.chat(body).await.status, 200);
    }
    is_told(&store, "three", |demand| demand.answered == 3 && demand.in_flight == 0).await;
    let demand = told(&store).await.expect("told");
    assert_eq!((demand.arrived, demand.waiting, demand.refused), (3, 0, 0));
    assert!(demand.prompt_tokens > 0 && demand.generated_tokens > 0, "{demand:?}");
    // A snapshot with another replica list changes no count.
    store.publish(&scaled(2, Vec::new())).await;
    assert_eq!(bench.chat(r#"{"model":"other"}"#).await.status, 404, "what is not served is not counted");
    eventually("taken over", || async { store.status().await.is_some_and(|status| status.snapshot_version == 2) })
        .await;
    assert_eq!(told(&store).await, Some(demand));
}

#[tokio::test]
async fn what_waits_is_told_while_it_waits() {
    let upstream = Upstream::start().await;
    upstream.always(Act::StallAfterContent(1));
    let store = SwitchedStore::new();
    store.publish(&scaled(1, routes(&[&upstream]))).await;
    let bench = Bench::with_store(store.clone(), config()).await;
    eventually("serving", || async { bench.get("/health").await.status == 200 }).await;
    let (mut streaming, mut whole) = (bench.connect().await, bench.connect().await);
    let stream = streaming.send_request(post("/v1/chat/completions", KEY, CHAT_STREAM)).await.expect("a head");
    let whole = tokio::time::timeout(
        std::time::Duration::from_secs(60),
        until_told_of_both(&store, whole.send_request(post("/v1/chat/completions", KEY, CHAT))),
    );
    whole.await.expect("told in time");
    drop(stream);
    drop(streaming);
    is_told(&store, "both gone", |demand| demand.in_flight == 0 && demand.waiting == 0 && demand.arrived == 2).await;
}

/// Holds `request` open until the store knows that two are in hand, of which one has got something already.
async fn until_told_of_both(store: &Arc<SwitchedStore>, request: impl Future) {
    tokio::select! {
        _ = request => panic!("nobody answers it"),
        () = is_told(store, "one of two waits", |demand| demand.in_flight == 2 && demand.waiting == 1) => {}
    }
}

#[tokio::test]
async fn without_a_replica_the_client_is_told_when_to_come_back_and_the_control_plane_at_once() {
    let store = SwitchedStore::new();
    store.publish(&scaled(1, Vec::new())).await;
    let bench = Bench::with_store(store.clone(), config()).await;
    is_told(&store, "zero is told", |demand| *demand == ModelDemand::default()).await;
    let answer = bench.chat(CHAT).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "model_starting"));
    assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), ("42", ""));
    is_told(&store, "refused", |demand| demand.refused == 1 && demand.arrived == 1 && demand.in_flight == 0).await;
}

#[tokio::test]
async fn a_model_whose_replicas_are_fixed_is_not_told() {
    let upstream = Upstream::start().await;
    let store = SwitchedStore::new();
    store.publish(&snapshot(1, routes(&[&upstream]))).await;
    let bench = Bench::with_store(store.clone(), config()).await;
    eventually("acknowledged", || async { store.status().await.is_some() }).await;
    assert_eq!(bench.chat(CHAT).await.status, 200);
    store.publish(&snapshot(2, routes(&[&upstream]))).await;
    eventually("taken over", || async { store.status().await.is_some_and(|status| status.snapshot_version == 2) })
        .await;
    let status = store.status().await.expect("told");
    assert!(status.demand.is_empty() && status.started_at.0 > 0, "{status:?}");
}
