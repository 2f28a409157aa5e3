//! Heads that no service gets to see, and those that it does.

use crate::stand::{Stand, get, read_until, settings};

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let stand = Stand::start(settings()).await;
    let close = "connection: close\r\n\r\n";
    for (text, status, code) in [
        (format!("GET / HTTP/1.1\r\n{close}"), 400, "invalid_host"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n{close}"), 400, "invalid_host"),
        (format!("GET / HTTP/1.1\r\nhost:\r\n{close}"), 400, "invalid_host"),
        (format!("GET / HTTP/1.1\r\nhost: evil.example\r\n{close}"), 403, "another host"),
        (format!("GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\n{close}"), 403, "another host"),
        ("GET / HTTP/1.1\nhost: localhost\r\n\r\n".to_owned(), 400, "line feed"),
        ("GET / HTTP/1.1\r\nhost: localhost\n\n".to_owned(), 400, "line feed"),
        (
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            400,
            "transfer-encoding",
        ),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nexpect: miracles\r\n{close}"), 417, "100-continue"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n{close}", "y".repeat(70_000)), 431, ""),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}{close}", "x: y\r\n".repeat(200)), 431, ""),
    ] {
        let answer = stand.ask(&text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
        let cause = if code == "invalid_host" { "'host' header" } else { code };
        assert!(answer.contains(cause), "{text:?}: {answer}");
    }
    stand.wait("no request got through", |seen| seen.begun == 0).await;
    let answer = stand.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn a_fault_in_a_later_request_leaves_the_earlier_ones_their_answers() {
    let stand = Stand::start(settings()).await;
    let answer = stand.ask(&format!("{}GET / HTTP/1.1\nhost: localhost\r\n\r\n", get("/"))).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let stand = Stand::start(settings()).await;
    let request = "HEAD / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = stand.ask(request).await;
    assert!(answer.contains("content-length: 5\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn leave_to_send_is_given_when_the_body_is_wanted() {
    use tokio::io::AsyncWriteExt as _;
    let stand = Stand::start(settings()).await;
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    };
    let mut stream = stand.send(&head("/echo")).await;
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.expect("sent");
    assert!(read_until(&mut stream, "hi").await.starts_with("HTTP/1.1 200 "));
    let mut stream = stand.send(&head("/refuse")).await;
    assert!(read_until(&mut stream, "no").await.starts_with("HTTP/1.1 403 "));
}
