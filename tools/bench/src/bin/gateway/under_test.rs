//! The gateway itself, over one replica, by a snapshot on disk, with key check and metrics on.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Clock as _, KeyGrant, ModelRoute, Money, ReplicaRoute, RoutingSnapshot, SystemClock};
use gateway::{Gateway, GatewayConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::load::KEY;

/// Prints its port and serves until it is killed.
pub(crate) async fn serve(upstream: u16) -> anyhow::Result<()> {
    let metrics = telemetry::metric::install().map_err(anyhow::Error::msg)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("snapshot.json");
    std::fs::write(&path, serde_json::to_vec(&snapshot(upstream)?)?)?;
    let config = GatewayConfig { snapshot_file: Some(path), ..GatewayConfig::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let gateway = Gateway::new(config, None, Arc::new(SystemClock), rand::random())
        .with_metrics_page(Arc::new(move || metrics.render()));
    Ok(gateway.serve(listener, CancellationToken::new()).await?)
}

/// One model under two names; clients use the one that has to be replaced in the body.
fn snapshot(upstream: u16) -> anyhow::Result<RoutingSnapshot> {
    let now = SystemClock.now();
    let replica = ReplicaRoute {
        id: "mock-1".to_owned(),
        deployment: "demo-bench".parse()?,
        site: "local/bench".parse()?,
        location: None,
        url: format!("http://127.0.0.1:{upstream}"),
        credential: None,
        draining: false,
        price_per_hour: Money::from_dollars(0.085),
    };
    let route = ModelRoute {
        model: "demo:1.0".parse()?,
        artifact: "/nonexistent".into(),
        context_tokens: 8_192,
        created_at: now,
        replicas: vec![replica],
        starts_in_seconds: None,
        shared_prefix_cache: false,
    };
    let grant = KeyGrant {
        id: "key-bench".to_owned(),
        name: "bench".to_owned(),
        models: Vec::new(),
        project: None,
        expires_at: None,
    };
    Ok(RoutingSnapshot {
        version: 1,
        made_at: now,
        models: BTreeMap::from([("demo".to_owned(), route.clone()), ("demo:1.0".to_owned(), route)]),
        keys: BTreeMap::from([(access::api_key::hash(KEY), grant)]),
    })
}
