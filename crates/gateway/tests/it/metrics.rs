//! What is counted, under a model name of this test's own, for the recorder is the process's.

use std::sync::{Arc, OnceLock};

use http_body_util::BodyExt as _;

use crate::bench::{Bench, CHAT, CHAT_STREAM, KEY, config, dearer, eventually, post, snapshot};
use crate::upstream::{Act, Upstream};

pub fn page() -> Arc<dyn Fn() -> String + Send + Sync> {
    static PAGE: OnceLock<Arc<dyn Fn() -> String + Send + Sync>> = OnceLock::new();
    let install = || -> Arc<dyn Fn() -> String + Send + Sync> {
        let handle = telemetry::metric::install().expect("the only recorder");
        Arc::new(move || handle.render())
    };
    Arc::clone(PAGE.get_or_init(install))
}

pub fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series} in {page}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[tokio::test]
async fn requests_tokens_retries_and_cancellations_are_counted() {
    let page = page();
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let mut snapshot = snapshot(1, dearer(&[&a, &b]));
    let route = snapshot.models["demo"].clone();
    snapshot.models.insert("metered".to_owned(), route);
    let bench = Bench::with_page(&snapshot, config(), page).await;
    let named = |body: &str| body.replace("\"demo\"", "\"metered\"");

    assert_eq!(bench.chat(&named(CHAT)).await.status, 200);
    assert_eq!(bench.chat(&named(CHAT_STREAM)).await.status, 200);
    a.script([Act::Status(500, "")]);
    assert_eq!(bench.chat(&named(CHAT)).await.status, 200);
    [&a, &b].iter().for_each(|upstream| upstream.always(Act::StallAfterContent(1)));
    let mut sender = bench.connect().await;
    let open = sender.send_request(post("/v1/chat/completions", KEY, &named(CHAT_STREAM))).await.expect("a head");
    let mut body = open.into_body();
    body.frame().await.expect("a frame").expect("content");
    drop((body, sender));

    let outcome = |outcome: &str| {
        format!(r#"inference_requests_total{{model="metered",cloud_provider="local",outcome="{outcome}"}}"#)
    };
    eventually("the cancellation", || async { value(&bench.get("/metrics").await.body, &outcome("cancelled")) == 1.0 })
        .await;
    let text = bench.get("/metrics").await.body;
    let answered = value(&text, &outcome("ok"));
    assert!(answered >= 3.0);
    let tokens = |name: &str, kind: &str| {
        value(&text, &format!(r#"mastercontrol_gateway_{name}_total{{model="metered",type="{kind}"}}"#))
    };
    // Every reply and every stream of the mock has five tokens in and seven out. The one that was left had one frame of
    // content until then, and a prompt whose tokens are estimated; both are told to be estimates.
    let estimated = (tokens("tokens_estimated", "input"), tokens("tokens_estimated", "output"));
    assert!(estimated.0 > 0.0 && estimated.1 == 1.0, "{estimated:?}");
    assert_eq!(tokens("tokens", "input"), 5.0 * answered + estimated.0);
    assert_eq!(tokens("tokens", "output"), 7.0 * answered + estimated.1);
    assert_eq!(value(&text, r#"mastercontrol_gateway_retries_total{model="metered",reason="status"}"#), 1.0);
    assert!(value(&text, r#"gen_ai_server_time_to_first_token_seconds_count{model="metered"}"#) >= 2.0);
}

/// A stream that breaks before its usage counts what came; one answered whole, after its head was sent, what it says.
#[tokio::test]
async fn streams_that_tell_no_usage_frame_are_settled_too() {
    let page = page();
    let upstream = Upstream::start().await;
    let mut snapshot = snapshot(1, dearer(&[&upstream]));
    for name in ["broken", "whole"] {
        snapshot.models.insert(name.to_owned(), snapshot.models["demo"].clone());
    }
    let mut config = config();
    config.hold_ms = 20;
    let bench = Bench::with_page(&snapshot, config, page).await;
    let tokens = |text: &str, model: &str, name: &str, kind: &str| {
        value(text, &format!(r#"mastercontrol_gateway_{name}_total{{model="{model}",type="{kind}"}}"#))
    };
    upstream.script([Act::CloseAfterContent(4)]);
    let answer = bench.chat(&CHAT_STREAM.replace("\"demo\"", "\"broken\"")).await;
    assert!(answer.body.contains("upstream_lost"));
    let text = bench.get("/metrics").await.body;
    assert_eq!(tokens(&text, "broken", "tokens", "output"), 4.0);
    assert_eq!(tokens(&text, "broken", "tokens_estimated", "output"), 4.0);
    assert!(tokens(&text, "broken", "tokens", "input") > 0.0);

    upstream.script([Act::Whole(std::time::Duration::from_millis(200))]);
    let answer = bench.chat(&CHAT_STREAM.replace("\"demo\"", "\"whole\"")).await;
    assert!(answer.body.starts_with(": keep-alive") && answer.body.contains("\"hello\""), "{answer:?}");
    let text = bench.get("/metrics").await.body;
    let told = (tokens(&text, "whole", "tokens", "input"), tokens(&text, "whole", "tokens", "output"));
    assert_eq!(told, (5.0, 7.0));
    assert_eq!(tokens(&text, "whole", "tokens_estimated", "output"), 0.0);
}

#[tokio::test]
async fn what_a_replica_was_chosen_by_is_counted() {
    let page = page();
    let upstream = Upstream::start().await;
    upstream.usage(500, 320);
    let mut snapshot = snapshot(1, dearer(&[&upstream]));
    let route = snapshot.models["demo"].clone();
    snapshot.models.insert("explained".to_owned(), route);
    let bench = Bench::with_page(&snapshot, config(), page).await;
    let body = CHAT.replace("\"demo\"", "\"explained\"").replace("hi", &"long ".repeat(400));
    for _ in 0..2 {
        assert_eq!(bench.chat(&body).await.status, 200);
    }
    let text = bench.get("/metrics").await.body;
    let tokens = |kind: &str| {
        value(&text, &format!(r#"mastercontrol_gateway_prefix_tokens_total{{model="explained",type="{kind}"}}"#))
    };
    // Before the second request two thousand bytes had been sent, of which seven blocks are full; some four bytes a token.
    assert!((400.0..500.0).contains(&tokens("expected")), "{}", tokens("expected"));
    assert_eq!(tokens("found"), 640.0);
    let part = |part: &str| {
        value(
            &text,
            &format!(r#"mastercontrol_gateway_forecast_microseconds_total{{model="explained",part="{part}"}}"#),
        )
    };
    assert!(part("prefill") > 0.0 && part("credit") > 0.0);
    assert_eq!((part("wait"), part("cost")), (0.0, 0.0));
}
