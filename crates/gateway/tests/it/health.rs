//! Probes and ejection: who gets requests, and who gets them again.

use crate::bench::{Bench, CHAT, config, dearer, eventually, replica, snapshot};
use crate::upstream::{Act, Upstream};

async fn counts(bench: &Bench, upstream: &Upstream, requests: usize) -> usize {
    let before = upstream.seen().requests.len();
    for _ in 0..requests {
        assert_eq!(bench.chat(CHAT).await.status, 200);
    }
    upstream.seen().requests.len() - before
}

#[tokio::test]
async fn a_replica_that_fails_is_put_aside_and_comes_back() {
    let (bad, good) = (Upstream::start().await, Upstream::start().await);
    bad.always(Act::Status(500, ""));
    let mut config = config();
    config.ejection_failures = 2;
    config.ejection_first_ms = 300;
    config.ejection_max_ms = 300;
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&bad, &good])), config).await;
    eventually("put aside after its second failure", || async {
        bench.chat(CHAT).await;
        bad.seen().requests.len() >= 2
    })
    .await;
    assert_eq!(counts(&bench, &bad, 5).await, 0, "aside it gets nothing");
    bad.always(Act::Answer);
    eventually("asked again after its time", || async { counts(&bench, &bad, 1).await == 1 }).await;
}

#[tokio::test]
async fn a_replica_whose_probe_fails_gets_nothing_until_it_answers() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&a, &b])), config()).await;
    a.health(503, r#"{"status":"draining"}"#);
    eventually("a is down", || async { bench.get("/health").await.json()["replicas_up"] == 1 }).await;
    assert_eq!(counts(&bench, &a, 20).await, 0);
    a.health(200, "{}");
    eventually("a is up", || async { bench.get("/health").await.json()["replicas_up"] == 2 }).await;
    eventually("a is asked again", || async { counts(&bench, &a, 1).await == 1 }).await;
}

#[tokio::test]
async fn a_draining_replica_gets_nothing_new() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let mut draining = replica("r0", &a.url);
    draining.draining = true;
    let bench = Bench::with_snapshot(&snapshot(1, vec![draining, replica("r1", &b.url)]), config()).await;
    assert_eq!(counts(&bench, &a, 20).await, 0);
}

#[tokio::test]
async fn the_busy_one_is_spared() {
    let (busy, idle) = (Upstream::start().await, Upstream::start().await);
    busy.health(200, r#"{"status":"ok","running":4,"waiting":20,"parallel":4,"kv_usage":0.9,"model":"demo:1.0"}"#);
    let bench = Bench::over(&[&busy, &idle], config()).await;
    busy.wait("probed twice: the first report is in", |seen| seen.probes >= 2).await;
    assert_eq!(counts(&bench, &busy, 50).await, 0);
}

#[tokio::test]
async fn with_all_put_aside_the_least_bad_is_used() {
    let upstream = Upstream::start().await;
    upstream.script([Act::Status(500, ""), Act::Status(500, "")]);
    let mut config = config();
    config.ejection_failures = 1;
    let bench = Bench::over(&[&upstream], config).await;
    // Two attempts (replicas plus one) fail; the replica is aside for a second, and yet it is asked.
    assert_eq!(bench.chat(CHAT).await.status, 502);
    assert_eq!(bench.chat(CHAT).await.status, 200);
}

/// A replica that computes hard answers its probes late: it gets nothing new, and what it has is not asked elsewhere.
#[tokio::test]
async fn a_late_probe_does_not_double_the_work() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.probe_timeout_ms = 100;
    config.probe_interval_ms = 200;
    config.patience_ms = 0;
    let bench = Bench::over(&[&upstream], config).await;
    upstream.wait("a first probe", |seen| seen.probes >= 1).await;
    upstream.always(Act::Slow(std::time::Duration::from_secs(6)));
    let mut answering = Box::pin(bench.chat(CHAT));
    tokio::select! {
        _ = &mut answering => panic!("too early"),
        () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
    }
    upstream.hush_health(true);
    let is_down = eventually("down", || async { bench.get("/health").await.json()["replicas_up"] == 0 });
    tokio::select! {
        _ = &mut answering => panic!("too early"),
        () = is_down => {}
    }
    upstream.hush_health(false);
    assert_eq!(answering.await.status, 200);
    assert_eq!(upstream.seen().requests.len(), 1, "nobody asked twice");
}
