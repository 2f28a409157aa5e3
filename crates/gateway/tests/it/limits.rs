//! Bounds: requests in hand, time, and the end of service.

use std::time::Duration;

use crate::bench::{Bench, CHAT, CHAT_STREAM, config, eventually};
use crate::upstream::{Act, DONE, Upstream};

#[tokio::test]
async fn beyond_the_limit_requests_are_told_to_come_back() {
    let upstream = Upstream::start().await;
    upstream.script([Act::Stall]);
    let mut config = config();
    config.in_flight_max = 1;
    let bench = Bench::over(&[&upstream], config).await;
    let mut sender = bench.connect().await;
    let mut first = Box::pin(sender.send_request(crate::bench::post("/v1/chat/completions", crate::bench::KEY, CHAT)));
    tokio::select! {
        _ = &mut first => panic!("nobody answers"),
        () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
    }
    let answer = bench.chat(CHAT).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str(), answer.header("retry-after")),
        (429, "overloaded", "1")
    );
    drop(first);
    drop(sender);
    // The place comes back with the client's leaving.
    eventually("a place", || async { bench.chat(CHAT).await.status == 200 }).await;
}

#[tokio::test]
async fn a_request_has_a_deadline() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Stall);
    let mut config = config();
    config.request_ms = 100;
    config.hold_ms = 20;
    let bench = Bench::over(&[&upstream], config).await;
    let answer = bench.chat(CHAT).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "deadline_exceeded"));
    let answer = bench.chat(CHAT_STREAM).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("deadline_exceeded"), "{}", answer.body);
    upstream.wait("both are cancelled", |seen| seen.cancelled == 2).await;
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_it_has() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Slow(Duration::from_millis(200)));
    let bench = Bench::over(&[&upstream], config()).await;
    let mut sender = bench.connect().await;
    let answering = sender.send_request(crate::bench::post("/v1/chat/completions", crate::bench::KEY, CHAT_STREAM));
    tokio::pin!(answering);
    tokio::select! {
        _ = &mut answering => panic!("too early"),
        () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
    }
    let address = bench.address;
    let (answer, ()) =
        tokio::join!(async { crate::bench::read(answering.await.expect("a head")).await }, bench.stopped());
    assert!(answer.body.ends_with(DONE), "{}", answer.body);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn no_replica_is_a_503_that_says_when() {
    let bench = Bench::over(&[], config()).await;
    let answer = bench.chat(CHAT).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str(), answer.header("retry-after")),
        (503, "no_replica", "1")
    );
}

/// What does not end within `drain_ms` is left behind: the gateway ends, and no earlier than that.
#[tokio::test]
async fn a_gateway_that_stops_waits_no_longer_than_the_drain_time() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Stall);
    let mut config = config();
    config.drain_ms = 300;
    let bench = Bench::over(&[&upstream], config).await;
    let mut sender = bench.connect().await;
    let mut answering =
        Box::pin(sender.send_request(crate::bench::post("/v1/chat/completions", crate::bench::KEY, CHAT)));
    tokio::select! {
        _ = &mut answering => panic!("nobody answers"),
        () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
    }
    let began = std::time::Instant::now();
    bench.stopped().await;
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}
