//! A gateway without descriptors blames no replica. It runs in a process of its own, whose limit is low.

use std::process::Command;

use crate::bench::{Bench, CHAT, KEY, config, eventually, post, read};
use crate::upstream::Upstream;

#[test]
fn want_of_descriptors_is_no_fault_of_a_replica() {
    let this = std::env::current_exe().expect("a path");
    let script = "ulimit -n 64 && exec \"$0\" --ignored --exact descriptors::in_a_process_of_its_own --nocapture";
    let output = Command::new("sh").arg("-c").arg(script).arg(this).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn in_a_process_of_its_own() {
    let upstream = Upstream::start().await;
    let mut config = config();
    // Each request connects anew, and one refusal would be enough.
    config.idle_connections_max = 0;
    config.ejection_failures = 1;
    // Probes would take and give back descriptors meanwhile.
    config.probe_interval_ms = 600_000;
    let bench = Bench::over(&[&upstream], config).await;
    eventually("it is up", || async { bench.get("/health").await.json()["replicas_up"] == 1 }).await;
    let mut sender = bench.connect().await;
    // An answer shows that the gateway has accepted this connection.
    let asked = sender.send_request(post("/v1/models", KEY, "")).await;
    assert_eq!(read(asked.expect("an answer")).await.status, 405);
    let mut open = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        open.push(file);
    }
    for _ in 0..5 {
        sender.ready().await.expect("the connection is kept");
        let answer = read(sender.send_request(post("/v1/chat/completions", KEY, CHAT)).await.expect("an answer")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "gateway_exhausted"));
    }
    open.clear();
    assert_eq!(bench.get("/health").await.json()["replicas_up"], 1, "it was never down");
    assert_eq!(bench.chat(CHAT).await.status, 200, "it was not put aside");
}
