//! What is counted, under a model name of this test's own, for the recorder is the process's.

use std::sync::{Arc, OnceLock};

use http_body_util::BodyExt as _;

use crate::bench::{Bench, CHAT, CHAT_STREAM, KEY, config, dearer, eventually, post, snapshot};
use crate::upstream::{Act, Upstream};

fn page() -> Arc<dyn Fn() -> String + Send + Sync> {
    static PAGE: OnceLock<Arc<dyn Fn() -> String + Send + Sync>> = OnceLock::new();
    let install = || -> Arc<dyn Fn() -> String + Send + Sync> {
        let handle = telemetry::metric::install().expect("the only recorder");
        Arc::new(move || handle.render())
    };
    Arc::clone(PAGE.get_or_init(install))
}

fn value(page: &str, series: &str) -> f64 {
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
    // Every reply and every stream of the mock has five tokens in and seven out.
    assert_eq!(value(&text, r#"mastercontrol_gateway_tokens_total{model="metered",type="input"}"#), 5.0 * answered);
    assert_eq!(value(&text, r#"mastercontrol_gateway_tokens_total{model="metered",type="output"}"#), 7.0 * answered);
    assert_eq!(value(&text, r#"mastercontrol_gateway_retries_total{model="metered",reason="status"}"#), 1.0);
    assert!(value(&text, r#"gen_ai_server_time_to_first_token_seconds_count{model="metered"}"#) >= 2.0);
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
