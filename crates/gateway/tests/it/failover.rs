//! Until the first content byte, no failure of a replica reaches the client; after it, the client is told.

use std::time::Duration;

use crate::bench::{Bench, CHAT, CHAT_STREAM, config, dearer, eventually, snapshot};
use crate::upstream::{Act, DONE, REPLY, ROLE, STOP, Upstream, WORD};

const STREAM: [&str; 5] = [ROLE, WORD, WORD, STOP, DONE];

/// Every fault before content: another replica answers.
#[tokio::test]
async fn faults_before_content_are_hidden() {
    let faults = [
        Act::Close,
        Act::Status(500, ""),
        Act::Status(502, ""),
        Act::Status(429, "retry-after: 7\r\n"),
        Act::Status(503, ""),
    ];
    let unary_faults = [Act::CloseMidAnswer];
    let stream_faults = [Act::CloseBeforeContent, Act::ErrorEvent];
    for (body, own_faults, expected) in
        [(CHAT, &unary_faults[..], REPLY.to_owned()), (CHAT_STREAM, &stream_faults[..], STREAM.concat())]
    {
        for fault in faults.iter().chain(own_faults) {
            let (a, b) = (Upstream::start().await, Upstream::start().await);
            let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&a, &b])), config()).await;
            a.script([fault.clone()]);
            let answer = bench.chat(body).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, expected.as_str()), "{fault:?}");
            // The one with the fault was asked first.
            assert_eq!((a.seen().requests.len(), b.seen().requests.len()), (1, 1), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_killed_replica_costs_no_request() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let bench = Bench::over(&[&a, &b], config()).await;
    assert_eq!(bench.chat(CHAT).await.status, 200);
    a.kill().await;
    for _ in 0..20 {
        assert_eq!(bench.chat(CHAT).await.status, 200);
        assert_eq!(bench.chat(CHAT_STREAM).await.body, STREAM.concat());
    }
}

#[tokio::test]
async fn requests_waiting_on_a_replica_that_dies_are_answered_by_another() {
    let (dying, other) = (Upstream::start().await, Upstream::start().await);
    dying.always(Act::Stall);
    other.health(503, r#"{"status":"loading"}"#);
    let bench = Bench::over(&[&dying, &other], config()).await;
    eventually("only one is up", || async { bench.get("/health").await.json()["replicas_up"] == 1 }).await;
    let mut waiting = Box::pin(futures_util::future::join_all((0..8).map(|_| bench.chat(CHAT))));
    tokio::select! {
        _ = &mut waiting => panic!("nobody answers yet"),
        () = dying.wait("all eight", |seen| seen.requests.len() == 8) => {}
    }
    dying.kill().await;
    assert!(waiting.await.iter().all(|answer| answer.status == 200));
    assert_eq!(other.seen().requests.len(), 8);
}

#[tokio::test]
async fn a_cut_after_content_becomes_a_typed_event_and_a_clean_end() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    a.always(Act::CloseAfterContent(2));
    b.always(Act::CloseAfterContent(2));
    let bench = Bench::over(&[&a, &b], config()).await;
    let answer = bench.chat(CHAT_STREAM).await;
    let (content, event) = answer.body.split_once("data: {\"error\"").expect("an error event");
    assert_eq!(content, [ROLE, WORD, WORD].concat());
    assert!(event.contains("\"code\":\"upstream_lost\""), "{event}");
    assert!(!answer.body.contains("[DONE]"));
    // Content had begun: nobody else was asked.
    assert_eq!(a.seen().requests.len() + b.seen().requests.len(), 1);
}

#[tokio::test]
async fn a_stream_that_falls_silent_after_content_is_ended() {
    let upstream = Upstream::start().await;
    upstream.always(Act::StallAfterContent(1));
    let mut config = config();
    config.stream_idle_ms = 150;
    let bench = Bench::over(&[&upstream], config).await;
    let answer = bench.chat(CHAT_STREAM).await;
    assert!(answer.body.contains("upstream_lost"), "{}", answer.body);
    upstream.wait("the connection is closed", |seen| seen.cancelled == 1).await;
}

#[tokio::test]
async fn attempts_are_bounded_and_the_client_is_told_not_to_repeat_them() {
    let upstreams =
        [Upstream::start().await, Upstream::start().await, Upstream::start().await, Upstream::start().await];
    // Each fails in its own way, so that it is not the request.
    let errors = [r#"{"error":{"code":1}}"#, r#"{"error":{"code":2}}"#, r#"{"error":{"code":3}}"#, "{}"];
    upstreams.iter().zip(errors).for_each(|(upstream, error)| upstream.always(Act::Says(500, error)));
    let bench = Bench::over(&upstreams.iter().collect::<Vec<_>>(), config()).await;
    let answer = bench.chat(CHAT).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "upstream_failed"));
    assert_eq!(answer.header("x-should-retry"), "false");
    let asked: usize = upstreams.iter().map(|upstream| upstream.seen().requests.len()).sum();
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn a_full_fleet_says_when_to_come_back_and_is_not_put_aside() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    a.always(Act::Status(429, "retry-after: 7\r\n"));
    b.always(Act::Status(429, "retry-after: 7\r\n"));
    let bench = Bench::over(&[&a, &b], config()).await;
    for _ in 0..5 {
        let answer = bench.chat(CHAT).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "7"));
        assert_eq!(answer.header("x-should-retry"), "");
    }
    // Each was asked once a request: nobody was asked twice, nobody put aside.
    assert_eq!((a.seen().requests.len(), b.seen().requests.len()), (5, 5));
}

#[tokio::test]
async fn a_slow_first_token_is_held_with_comments_and_still_fails_over() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    a.script([Act::Slow(Duration::from_millis(200))]);
    let mut config = config();
    config.hold_ms = 50;
    config.first_content_ms = 120;
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&a, &b])), config).await;
    let answer = bench.chat(CHAT_STREAM).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(answer.body.starts_with(": keep-alive\n\n"), "{}", answer.body);
    assert_eq!(answer.body.replace(": keep-alive\n\n", ""), STREAM.concat());
    // The first was given up after 120 ms, behind the comments.
    assert_eq!((a.seen().cancelled, b.seen().requests.len()), (1, 1));
}

#[tokio::test]
async fn with_nobody_up_a_request_waits_for_the_replica_that_comes_back() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.patience_ms = 10_000;
    let bench = Bench::over(&[&upstream], config).await;
    assert_eq!(bench.chat(CHAT).await.status, 200);
    upstream.kill().await;
    eventually("it is down", || async { bench.get("/health").await.json()["replicas_up"] == 0 }).await;
    let mut waiting = Box::pin(bench.chat(CHAT));
    tokio::select! {
        answer = &mut waiting => panic!("nobody could answer: {answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(120)) => {}
    }
    let address = ("127.0.0.1", upstream.port());
    let again = Upstream::on(tokio::net::TcpListener::bind(address).await.expect("the port is free again"));
    assert_eq!(waiting.await.status, 200);
    assert_eq!(again.seen().requests.len(), 1);
}
