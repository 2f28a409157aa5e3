//! Clients that close their sending side: to wait for the answer, or to leave.

use std::sync::Arc;

use listener::Settings;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use crate::stand::{Stand, get, read_all, settings};

#[tokio::test]
async fn a_half_closed_connection_gets_its_answer() {
    let release = Arc::new(Notify::new());
    let stand = Stand::start_released(settings(), Arc::clone(&release)).await;
    let mut quick = stand.send(&get("/")).await;
    quick.shutdown().await.expect("half-closed");
    let answer = read_all(&mut quick).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");

    let mut slow = stand.send(&get("/wait")).await;
    slow.shutdown().await.expect("half-closed");
    // The system's own probe of a client that may have left, and then the answer.
    let probe = crate::stand::read_until(&mut slow, "\r\n\r\n").await;
    assert_eq!(probe, "HTTP/1.1 100 Continue\r\n\r\n");
    release.notify_one();
    let answer = read_all(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("released"), "{answer}");
}

#[tokio::test]
async fn a_client_that_left_cancels_its_work() {
    let stand = Stand::start(settings()).await;
    let stream = stand.send(&get("/wait")).await;
    stand.wait("it runs", |seen| seen.begun == 1).await;
    drop(stream);
    stand.wait("it is given up", |seen| seen.dropped == 1).await;
}

#[tokio::test]
async fn where_nobody_half_closes_closing_cancels_at_once() {
    let stand = Stand::start(Settings { half_close: false, ..settings() }).await;
    let mut stream = stand.send(&get("/wait")).await;
    stand.wait("it runs", |seen| seen.begun == 1).await;
    stream.shutdown().await.expect("closed");
    stand.wait("it is given up", |seen| seen.dropped == 1).await;
    assert_eq!(read_all(&mut stream).await, "", "no probe is sent");
}

#[tokio::test]
async fn a_request_cut_in_its_body_is_no_request() {
    let stand = Stand::start(settings()).await;
    let mut stream = stand.send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc").await;
    stream.shutdown().await.expect("half-closed");
    let answer = read_all(&mut stream).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    stand.wait("it is given up", |seen| seen.dropped == 1).await;
}

/// Closing while the client still sends would make its system throw the answer away.
#[tokio::test]
async fn an_early_answer_reaches_a_client_that_goes_on_sending() {
    let stand = Stand::start(settings()).await;
    let mut stream =
        stand.send(&format!("POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", 16 << 20)).await;
    for _ in 0..16 {
        stream.write_all(&vec![b'x'; 1 << 20]).await.expect("it is taken");
    }
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("no"), "{answer}");
}
