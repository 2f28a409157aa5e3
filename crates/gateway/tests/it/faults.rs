//! A fault of the request is no fault of the replica: every status and every way to fail, before and after the head.

use std::time::{Duration, Instant};

use crate::bench::{Bench, CHAT, CHAT_STREAM, config, dearer, snapshot};
use crate::upstream::{Act, Upstream};

const ERROR: &str = r#"{"error":{"message":"no","type":"server_error","code":"unsatisfiable"}}"#;

/// Three replicas that all do the same with one request; how often each was asked, and the answer's status and body.
async fn all_do(act: &Act, body: &str) -> (Vec<usize>, u16, String, usize) {
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let mut config = config();
    config.ejection_failures = 1;
    config.ejection_first_ms = 60_000;
    config.first_content_ms = 200;
    config.stream_idle_ms = 200;
    let all: Vec<&Upstream> = upstreams.iter().collect();
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&all)), config).await;
    upstreams.iter().for_each(|upstream| upstream.always(act.clone()));
    let answer = bench.chat(body).await;
    let asked = upstreams.iter().map(|upstream| upstream.seen().requests.len()).collect();
    // The first one is the cheapest: it is asked again, unless it was put aside.
    upstreams.iter().for_each(|upstream| upstream.always(Act::Answer));
    assert_eq!(bench.chat(CHAT).await.status, 200, "{act:?}");
    let aside = upstreams.iter().map(|upstream| upstream.seen().requests.len()).collect::<Vec<_>>();
    let asked: Vec<usize> = asked;
    let next = (0..3).find(|at| aside[*at] > asked[*at]).expect("one answered");
    (asked, answer.status.as_u16(), answer.body, next)
}

#[tokio::test]
async fn every_status_before_content() {
    for body in [CHAT, CHAT_STREAM] {
        // An answer, whatever it says: passed on, asked once, nobody put aside.
        for status in [400, 404, 405, 408, 409, 410, 413, 415, 418, 422, 425, 431, 451, 499, 501] {
            let found = all_do(&Act::Says(status, ERROR), body).await;
            assert_eq!(found, (vec![1, 0, 0], status, ERROR.to_owned(), 0), "{status}");
        }
        // The same fault on two: the request's. Passed on, and nobody put aside.
        for status in [500, 502, 504, 505, 507, 599] {
            let found = all_do(&Act::Says(status, ERROR), body).await;
            assert_eq!(found, (vec![1, 1, 0], status, ERROR.to_owned(), 0), "{status}");
        }
        // No room: each is asked once, and nobody put aside.
        for status in [429, 503] {
            let (asked, told, text, next) = all_do(&Act::Says(status, ERROR), body).await;
            assert_eq!((asked, told, next), (vec![1, 1, 1], status, 0), "{status}");
            assert!(text.contains("replicas_busy"), "{text}");
        }
        // They do not let the gateway in, which no other request of the client would change.
        for status in [401, 403, 407] {
            let (asked, told, text, _) = all_do(&Act::Says(status, ERROR), body).await;
            assert_eq!((asked, told), (vec![1, 1, 1], 502), "{status}");
            assert!(text.contains("upstream_failed"), "{text}");
        }
        // A redirection is not followed, and not passed on.
        let (asked, told, text, next) = all_do(&Act::Says(307, "{}"), body).await;
        assert_eq!((asked, told, next), (vec![1, 1, 0], 502, 0), "{text}");
    }
}

#[tokio::test]
async fn every_other_way_to_fail_before_content() {
    let streams = [Act::CloseBeforeContent, Act::ErrorEvent, Act::SlowHead(Duration::ZERO)];
    let both = [Act::Close, Act::Stall];
    let rows = streams
        .iter()
        .map(|act| (act, CHAT_STREAM))
        .chain(both.iter().flat_map(|act| [(act, CHAT), (act, CHAT_STREAM)]));
    for (act, body) in rows.chain([(&Act::CloseMidAnswer, CHAT)]) {
        let (asked, told, text, next) = all_do(act, body).await;
        assert_eq!((asked, next), (vec![1, 1, 0], 0), "{act:?}: the request is at fault: {text}");
        let status = if *act == Act::ErrorEvent { 500 } else { 502 };
        assert_eq!(told, status, "{act:?}: {text}");
        assert!(*act != Act::ErrorEvent || text.contains("out of memory"), "passed on: {text}");
    }
}

/// One replica fails where another answers: it is at fault, and put aside.
#[tokio::test]
async fn what_others_answer_counts_against_the_replica() {
    for act in [Act::Says(500, ERROR), Act::ErrorEvent, Act::Close, Act::Stall] {
        let (bad, good) = (Upstream::start().await, Upstream::start().await);
        let mut config = config();
        config.ejection_failures = 1;
        config.ejection_first_ms = 60_000;
        config.first_content_ms = 200;
        let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&bad, &good])), config).await;
        bad.script([act.clone()]);
        assert_eq!(bench.chat(CHAT_STREAM).await.status, 200, "{act:?}");
        assert_eq!(bench.chat(CHAT).await.status, 200);
        assert_eq!((bad.seen().requests.len(), good.seen().requests.len()), (1, 2), "{act:?}: it is aside");
    }
    // Two that fail in different ways say nothing of the request: a third is asked.
    let upstreams = [Upstream::start().await, Upstream::start().await, Upstream::start().await];
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&upstreams.iter().collect::<Vec<_>>())), config()).await;
    upstreams[0].always(Act::Says(500, ERROR));
    upstreams[1].always(Act::Says(500, "{}"));
    assert_eq!(bench.chat(CHAT).await.status, 200);
}

/// The head of the answer and its first content share one time.
#[tokio::test]
async fn the_time_to_the_first_content_is_spent_once() {
    let (slow, other) = (Upstream::start().await, Upstream::start().await);
    slow.always(Act::SlowHead(Duration::from_millis(2_500)));
    let mut config = config();
    config.first_content_ms = 3_000;
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&[&slow, &other])), config).await;
    let began = Instant::now();
    assert_eq!(bench.chat(CHAT_STREAM).await.status, 200);
    // Spent twice, it would take 5.5 seconds.
    assert!(began.elapsed() < Duration::from_millis(5_300), "{:?}", began.elapsed());
    assert_eq!(other.seen().requests.len(), 1);
}
