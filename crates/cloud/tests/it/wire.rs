//! The local cloud's server over the wire: the suite that every cloud passes, and the client against servers that fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::client::{CallError, ClientConfig, CloudClient, SignedTokens, TokenSource};
use cloud::conformance::{self, Target};
use cloud::contract::Status;
use cloud::contract::tools::{GetQuotas, GetQuotasArgs};
use domain::{Clock as _, Problem, SystemClock, Timestamp};
use serde_json::json;

use crate::world::{PATIENCE, World, client, signer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_cloud_conforms() {
    let world = World::start().await;
    let token = |audience: &str, role: &str| {
        world.signer.issue("checker", audience, &[role], 300, SystemClock.now()).expect("a token")
    };
    let target = Target {
        url: world.url.clone(),
        operator_token: token(&world.url, "operator"),
        viewer_token: token(&world.url, "viewer"),
        foreign_token: token("http://127.0.0.1:8002/other/mcp", "operator"),
        region: "eu-west".to_owned(),
    };
    assert_eq!(conformance::run_all(&target).await, []);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_lists_calls_by_type_and_calls_by_name() {
    let world = World::start().await;
    let names: Vec<String> =
        world.client.list_tools().await.expect("tools").into_iter().map(|tool| tool.name).collect();
    assert_eq!(names.len(), 8, "what it can do, and no more: {names:?}");
    let viewer = client(&world.url, &world.signer, "looker", "viewer");
    assert_eq!(viewer.list_tools().await.expect("tools").len(), 4);
    let quotas = world.client.call::<GetQuotas>(&GetQuotasArgs::default()).await.expect("quotas");
    assert_eq!(quotas.resource.expect("quotas").quotas.len(), 3);
    let envelope = world.client.call_json("get_quotas", json!({ "region": "us-east" })).await.expect("quotas");
    assert_eq!(envelope.resource.expect("quotas")["quotas"][0]["limit"], 8);
    let failed = world.client.call_json("get_quotas", json!({ "region": "zürich" })).await.expect("an envelope");
    assert_eq!((failed.status, failed.error.expect("why").field.as_deref()), (Status::Failed, Some("region")));
    let wrong = world.client.call_json("get_quotas", json!({ "region": 5 })).await.expect("an envelope");
    assert_eq!(wrong.error.expect("why").field.as_deref(), Some("region"));
    let Err(unknown) = world.client.call_json("format_disk", json!({})).await else { panic!("there is no such tool") };
    assert_eq!(Problem::from(unknown).cause, r#"there is no tool "format_disk""#);
    for tool in ["provision_compute", "failover_route", "rotate_secret"] {
        let args = match tool {
            "provision_compute" => json!({ "region": "us-east", "name": "n", "instance_type": "t", "count": 1 }),
            "failover_route" => json!({ "route": "r", "expected_current": "a", "target": "b" }),
            _ => json!({ "region": "us-east", "secret": "s" }),
        };
        let mut args = args;
        args["idempotency_token"] = json!(format!("unsupported-{tool}"));
        let envelope = world.client.call_json(tool, args).await.expect("an envelope");
        let problem = envelope.error.expect("why");
        assert_eq!((problem.code.as_str(), problem.next_step.is_some()), ("MCP0009", true), "{tool}: {problem:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_bucket_is_a_folder_and_its_token_makes_one() {
    let world = World::start().await;
    let bucket = |token: &str| json!({ "region": "us-east", "bucket": "data", "idempotency_token": token });
    let made = world.client.call_json("create_storage_bucket", bucket("bucket-token-0001")).await.expect("an envelope");
    let url = made.resource.expect("a bucket")["url"].as_str().expect("a url").to_owned();
    assert!(std::path::Path::new(url.trim_start_matches("file://")).is_dir(), "{url}");
    let again =
        world.client.call_json("create_storage_bucket", bucket("bucket-token-0001")).await.expect("an envelope");
    assert!(again.operation.expect("an operation").replayed);
    let other =
        world.client.call_json("create_storage_bucket", bucket("bucket-token-0002")).await.expect("an envelope");
    assert_eq!(other.error.expect("why").code, "MCP0005");
    world.stop().await;
}

fn impatient(url: &str, tokens: Arc<dyn TokenSource>, deadline: Duration) -> CloudClient {
    let config = ClientConfig {
        deadline,
        attempts_max: 3,
        backoff: Duration::from_millis(1),
        failures_max: 6,
        pause: Duration::from_secs(60),
    };
    CloudClient::new("local", url, tokens, Arc::new(SystemClock), config).expect("a client")
}

fn tokens() -> Arc<dyn TokenSource> {
    Arc::new(SignedTokens::new(signer(), "control", &["operator"], 300))
}

/// A server that drops every connection, and counts them.
async fn deaf(answer: bool) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/local/mcp", listener.local_addr().expect("bound"));
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    telemetry::tasks::spawn("test_server", async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if answer {
                held.push(connection);
            }
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_dropped_connection_is_tried_again_and_a_dead_cloud_is_left_alone() {
    let (url, count) = deaf(false).await;
    let client = impatient(&url, tokens(), PATIENCE);
    let call = async || client.call::<GetQuotas>(&GetQuotasArgs::default()).await;
    for attempts in [3, 6] {
        assert!(matches!(call().await, Err(CallError::Unreachable { .. })));
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), attempts);
    }
    let paused = call().await.expect_err("left alone");
    assert!(matches!(paused, CallError::Paused { retry_after_ms: 30_000..=60_000, .. }), "{paused:?}");
    assert_eq!(Problem::from(paused).code, "MCP0010");
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 6, "nothing was sent");
}

#[tokio::test]
async fn a_silent_cloud_is_given_up_at_the_deadline() {
    let (url, _) = deaf(true).await;
    let client = impatient(&url, tokens(), Duration::from_millis(500));
    let started = Instant::now();
    let error = client.call::<GetQuotas>(&GetQuotasArgs::default()).await.expect_err("silence");
    assert_eq!(error, CallError::Timeout { cloud: "local".to_owned(), after_ms: 500 });
    assert!(error.is_unknown() && started.elapsed() < PATIENCE);
}

/// Gives a token that has ended, until it is told that it was refused.
struct Stale(SignedTokens, parking_lot::Mutex<bool>);

impl TokenSource for Stale {
    fn token(&self, audience: &str, now: Timestamp) -> Result<String, Problem> {
        let lag = if *self.1.lock() { 0 } else { -3_600_000 };
        self.0.token(audience, now.plus_millis(lag))
    }
    fn forget(&self, audience: &str) {
        *self.1.lock() = true;
        self.0.forget(audience);
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let world = World::start().await;
    let stale = Stale(SignedTokens::new(signer(), "control", &["operator"], 300), parking_lot::Mutex::new(false));
    let renewing = impatient(&world.url, Arc::new(stale), PATIENCE);
    assert!(renewing.call::<GetQuotas>(&GetQuotasArgs::default()).await.is_ok());
    let stranger = Arc::new(access::token::Signer::generate(&mut rand::rng()).expect("a key"));
    let tokens = Arc::new(SignedTokens::new(stranger, "control", &["operator"], 300));
    let error = impatient(&world.url, tokens, PATIENCE).call::<GetQuotas>(&GetQuotasArgs::default()).await;
    assert_eq!(error, Err(CallError::Unauthenticated { cloud: "local".to_owned() }));
    world.stop().await;
}
