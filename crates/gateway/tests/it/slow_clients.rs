//! Clients that send or take slowly, or not at all: they hold neither places nor bytes for long, and never all of them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::{Bench, CHAT, CHAT_STREAM, KEY, config, eventually, grant, post, routes, snapshot};
use crate::upstream::{Act, Upstream};

const PATIENCE: Duration = Duration::from_secs(60);

fn head(key: &str, length: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{length}\r\n\r\n")
}

async fn send(bench: &Bench, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(bench.address).await.expect("the gateway listens");
    stream.write_all(text.as_bytes()).await.expect("sent");
    stream
}

/// All that is answered until the connection ends.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4 << 10];
    while let Ok(read @ 1..) = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time") {
        bytes.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn half_sent_bodies_of_one_key_leave_room_for_others() {
    let upstream = Upstream::start().await;
    let mut snapshot = snapshot(1, routes(&[&upstream]));
    snapshot.keys.insert(access::api_key::hash("sk-hostile"), grant("key-hostile"));
    let mut config = config();
    config.in_flight_max = 40;
    let bench = Bench::with_snapshot(&snapshot, config).await;
    let mut hostile = Vec::new();
    for _ in 0..60 {
        hostile.push(send(&bench, &(head("sk-hostile", "content-length: 100") + "{")).await);
    }
    // Of sixty, twenty hold half of the places, and forty have been told that they may not.
    for stream in &mut hostile[20..] {
        let mut start = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await.expect("in time").expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 429");
    }
    let answer = bench.send(post("/v1/chat/completions", "sk-hostile", CHAT)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "key_overloaded"));
    assert_eq!(bench.send(post("/v1/chat/completions", KEY, CHAT)).await.status, 200);
    drop(hostile);
    eventually("its places come back", || async {
        bench.send(post("/v1/chat/completions", "sk-hostile", CHAT)).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_answered_408() {
    let upstream = Upstream::start().await;
    for whole in [false, true] {
        let mut config = config();
        // Either no part may be late, or not all of them together.
        (config.client_idle_ms, config.body_ms) = if whole { (60_000, 200) } else { (200, 60_000) };
        let bench = Bench::over(&[&upstream], config).await;
        for length in ["content-length: 100", "transfer-encoding: chunked"] {
            let answer = read_all(&mut send(&bench, &(head(KEY, length) + "5\r\n{")).await).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(answer.contains("request_timeout") && answer.contains("connection: close"), "{answer}");
        }
    }
    assert!(upstream.seen().requests.is_empty());
}

#[tokio::test]
async fn a_chunked_body_beyond_the_limit_is_answered_413() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.body_bytes_max = 1_000;
    let bench = Bench::over(&[&upstream], config).await;
    let mut stream = send(&bench, &head(KEY, "transfer-encoding: chunked")).await;
    for _ in 0..200 {
        stream.write_all(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).await.expect("it is taken");
    }
    stream.write_all(b"0\r\n\r\n").await.expect("it is taken");
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("request_too_large"), "{answer}");
    let exact = format!(r#"{{"model":"demo","input":"{}"}}"#, "x".repeat(1_000 - 27));
    assert_eq!(exact.len(), 1_000);
    assert_eq!(bench.send(post("/v1/embeddings", KEY, &exact)).await.status, 200, "the limit itself is allowed");
    assert_eq!(bench.send(post("/v1/embeddings", KEY, &(exact + " "))).await.status, 413);
}

#[tokio::test]
async fn a_stream_whose_client_does_not_read_gives_its_place_back() {
    let upstream = Upstream::start().await;
    upstream.script([Act::Endless]);
    let mut config = config();
    config.in_flight_max = 1;
    config.client_stall_ms = 200;
    let bench = Bench::over(&[&upstream], config).await;
    let length = format!("content-length: {}", CHAT_STREAM.len());
    let silent = send(&bench, &(head(KEY, &length) + CHAT_STREAM)).await;
    upstream.wait("the stream has begun", |seen| seen.requests.len() == 1).await;
    eventually("its place", || async { bench.chat(CHAT).await.status == 200 }).await;
    upstream.wait("its work is cancelled", |seen| seen.cancelled == 1).await;
    drop(silent);
}

/// It reads a little now and then, so that it never stalls.
#[tokio::test]
async fn a_stream_whose_client_reads_too_slowly_ends_by_its_deadline() {
    let upstream = Upstream::start().await;
    upstream.script([Act::Endless]);
    let mut config = config();
    config.in_flight_max = 1;
    config.request_ms = 500;
    let bench = Bench::over(&[&upstream], config).await;
    let length = format!("content-length: {}", CHAT_STREAM.len());
    let mut slow = send(&bench, &(head(KEY, &length) + CHAT_STREAM)).await;
    let reading = telemetry::tasks::spawn("slow reader", async move {
        let mut buffer = [0; 1 << 10];
        while let Ok(1..) = slow.read(&mut buffer).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    upstream.wait("its work is cancelled", |seen| seen.cancelled == 1).await;
    eventually("its place", || async { bench.chat(CHAT).await.status == 200 }).await;
    reading.abort();
}

#[tokio::test]
async fn connections_beyond_the_limit_take_the_place_of_idle_ones() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.connections_max = 4;
    let bench = Bench::over(&[&upstream], config).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(send(&bench, "POST /v1/chat").await);
    }
    assert_eq!(bench.chat(CHAT).await.status, 200);
    // The first of them is gone.
    assert!(!read_all(&mut idle[0]).await.contains(" 200 "));
}

#[tokio::test]
async fn what_does_not_finish_within_the_drain_time_is_cut() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Stall);
    let mut config = config();
    config.drain_ms = 100;
    let bench = Bench::over(&[&upstream], config).await;
    let length = format!("content-length: {}", CHAT.len());
    let mut running = send(&bench, &(head(KEY, &length) + CHAT)).await;
    upstream.wait("the request", |seen| seen.requests.len() == 1).await;
    bench.stopped().await;
    assert_eq!(read_all(&mut running).await, "");
    upstream.wait("its work is cancelled", |seen| seen.cancelled == 1).await;
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let upstream = Upstream::start().await;
    upstream.script([Act::Slow(Duration::from_millis(100))]);
    let bench = Bench::over(&[&upstream], config()).await;
    for body in [CHAT, CHAT_STREAM] {
        let length = format!("content-length: {}", body.len());
        let mut stream = send(&bench, &(head(KEY, &length) + body)).await;
        stream.shutdown().await.expect("half-closed");
        let answer = read_all(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("hello") || answer.contains("[DONE]"), "{answer}");
    }
}
