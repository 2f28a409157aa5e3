//! Nothing that a client does slowly, or not at all, goes on for ever.

use std::time::Duration;

use listener::{Limits, Settings};

use crate::stand::{Stand, get, read_all, read_until, settings};

const SHORT: Duration = Duration::from_millis(100);

fn with(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = settings();
    change(&mut settings.limits);
    settings
}

#[tokio::test]
async fn a_silent_connection_ends() {
    let stand = Stand::start(with(|limits| limits.idle = SHORT)).await;
    assert_eq!(read_all(&mut stand.connect().await).await, "", "before the first request");
    let mut stream = stand.send(&get("/")).await;
    let answer = read_all(&mut stream).await;
    assert!(answer.ends_with("hello"), "after one: {answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_408() {
    let stand = Stand::start(with(|limits| limits.head = SHORT)).await;
    for text in ["G".to_owned(), "GET / HTTP/1.1\r\nhost: local".to_owned(), format!("{}GET", get("/"))] {
        let answer = stand.ask(&text).await;
        assert!(answer.contains("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{text:?}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_drips_ends_too() {
    use tokio::io::AsyncWriteExt as _;
    let stand = Stand::start(with(|limits| limits.head = SHORT)).await;
    let mut stream = stand.connect().await;
    // Each byte comes well within any limit of its own; together they never end.
    let dripping = async {
        while stream.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    crate::stand::within(dripping).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_408_and_given_up() {
    let stand = Stand::start(with(|limits| limits.body = SHORT)).await;
    let head = "POST /echo HTTP/1.1\r\nhost: localhost\r\n";
    for text in
        [format!("{head}content-length: 5\r\n\r\nabc"), format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nab")]
    {
        let answer = stand.ask(&text).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{text:?}: {answer}");
    }
    stand.wait("both are given up", |seen| seen.dropped == 2).await;
}

/// The answer's body waits for room to write, and is never polled again.
#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let stand = Stand::start(with(|limits| limits.stall = SHORT)).await;
    let stream = stand.send(&get("/flood")).await;
    stand.wait("the answer is given up", |seen| seen.dropped == 1).await;
    drop(stream);
}

/// This one reads now and then, so that it never stalls; and here the body itself never wakes.
#[tokio::test]
async fn an_answer_that_must_end_by_a_time_ends_by_it() {
    let stand = Stand::start(settings()).await;
    let mut stream = stand.send(&get("/quiet")).await;
    read_until(&mut stream, "\r\n\r\n").await;
    stand.wait("the answer is given up", |seen| seen.dropped == 1).await;
    assert_eq!(read_all(&mut stream).await, "");
}
