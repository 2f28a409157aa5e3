//! Streams pass byte for byte, without delay, and end upstream when the client leaves.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;

use crate::bench::{Bench, CHAT, CHAT_STREAM, KEY, config, post, read};
use crate::upstream::{Act, DONE, ROLE, STOP, USAGE, Upstream, WORD};

#[tokio::test]
async fn the_usage_that_was_not_asked_for_is_taken_out() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let answer = bench.chat(CHAT_STREAM).await;
    assert_eq!(answer.body, [ROLE, WORD, WORD, STOP, DONE].concat());
    assert!(upstream.seen().requests[0].contains(r#""stream_options":{"include_usage":true}"#));

    let asking = CHAT_STREAM.replace("\"stream\":true", r#""stream":true,"stream_options":{"include_usage":true}"#);
    let answer = bench.chat(&asking).await;
    assert_eq!(answer.body, [ROLE, WORD, WORD, STOP, USAGE, DONE].concat());
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-accel-buffering"), "no");
}

#[tokio::test]
async fn the_model_goes_by_its_own_name_and_nothing_else_changes() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    bench.chat(r#"{"seed":1.50, "model":"demo","x":{"model":"demo"},"messages":[]}"#).await;
    let request = &upstream.seen().requests[0];
    let body = request.split("\r\n\r\n").nth(1).expect("a body");
    assert_eq!(body, r#"{"seed":1.50, "model":"demo:1.0","x":{"model":"demo"},"messages":[]}"#);
    assert!(!request.contains("authorization"), "{request}");
    assert!(request.contains("x-request-id: req_"), "{request}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_work() {
    // Before the head, and in mid-stream.
    for (act, body) in [(Act::Stall, CHAT), (Act::Stall, CHAT_STREAM), (Act::StallAfterContent(1), CHAT_STREAM)] {
        let upstream = Upstream::start().await;
        upstream.always(act.clone());
        let bench = Bench::over(&[&upstream], config()).await;
        let mut sender = bench.connect().await;
        let mut answering = Box::pin(sender.send_request(post("/v1/chat/completions", KEY, body)));
        let mut open = None;
        if act == Act::Stall {
            tokio::select! {
                _ = &mut answering => panic!("nobody answers"),
                () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
            }
        } else {
            let mut body = (&mut answering).await.expect("a head").into_body();
            body.frame().await.expect("a frame").expect("content");
            open = Some(body);
        }
        let left = Instant::now();
        drop((answering, open, sender));
        upstream.wait("cancelled", |seen| seen.cancelled == 1).await;
        // Half a second for clients that may only have closed their sending side, and a moment more; far below every deadline that would end it anyway.
        assert!(left.elapsed() < Duration::from_secs(15), "{act:?}: {:?}", left.elapsed());
    }
}

/// Two peers hold back the body of a stream on a reused connection for 40 ms, for want of `TCP_NODELAY`. Each time, so that
/// the shortest time tells it, also on a busy machine.
#[tokio::test]
async fn a_reused_connection_does_not_stall() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let mut sender = bench.connect().await;
    let mut times = Vec::new();
    for _ in 0..20 {
        sender.ready().await.expect("the connection is kept");
        let began = Instant::now();
        let response = sender.send_request(post("/v1/chat/completions", KEY, CHAT_STREAM)).await.expect("an answer");
        read(response).await;
        times.push(began.elapsed());
    }
    assert!(times.iter().min().is_some_and(|shortest| *shortest < Duration::from_millis(30)), "{times:?}");
}
