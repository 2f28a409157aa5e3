//! Encoded bodies.

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::stand::{Stand, read_all, settings, within};

macro_rules! encoded {
    ($encoder:ident, $data:expr) => {{
        let mut encoder = $encoder::new(Vec::new());
        write(&mut encoder, $data).await;
        encoder.into_inner()
    }};
}

async fn write(encoder: &mut (impl AsyncWrite + Unpin), data: &[u8]) {
    encoder.write_all(data).await.expect("written");
    encoder.shutdown().await.expect("ended");
}

async fn ask(stand: &Stand, coding: &str, body: &[u8]) -> String {
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = stand.send(&head).await;
    // It may be refused before it was taken whole.
    let _ = within(stream.write_all(body)).await;
    read_all(&mut stream).await
}

#[tokio::test]
async fn each_encoding_is_undone() {
    let stand = Stand::start(settings()).await;
    let text = "a body that is encoded ".repeat(2_000);
    let data = text.as_bytes();
    let gzip = encoded!(GzipEncoder, data);
    let twice = encoded!(ZstdEncoder, &gzip);
    let members = [gzip.clone(), gzip.clone()].concat();
    for (coding, body, times) in [
        ("gzip", gzip, 1),
        ("x-gzip", members, 2),
        ("deflate", encoded!(ZlibEncoder, data), 1),
        ("deflate", encoded!(DeflateEncoder, data), 1),
        ("br", encoded!(BrotliEncoder, data), 1),
        ("ZSTD", encoded!(ZstdEncoder, data), 1),
        ("gzip, zstd", twice, 1),
        ("identity", data.to_vec(), 1),
    ] {
        let answer = ask(&stand, coding, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{coding}: {answer:.200}");
        assert!(answer.ends_with(&format!("\r\n\r\n{}", text.repeat(times))), "{coding}: {} bytes", answer.len());
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_refused() {
    let stand = Stand::start(settings()).await;
    let gzip = encoded!(GzipEncoder, b"text");
    for (coding, body, status) in [
        ("compress", &gzip[..], 415),
        ("gzip, gzip, gzip", &gzip[..], 415),
        ("gzip", b"no gzip at all", 400),
        ("gzip", &gzip[..gzip.len() - 6], 400),
        ("br", b"\xff\xff\xff\xff", 400),
        ("zstd", b"\x00\x01", 400),
    ] {
        let answer = ask(&stand, coding, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{coding}: {answer}");
        assert_eq!(answer.contains("accept-encoding: gzip, deflate, br, zstd"), status == 415, "{answer}");
    }
}

#[tokio::test]
async fn a_bomb_ends_at_the_limit() {
    let stand = Stand::start(settings()).await;
    // Sixty-four megabytes of zeros, made piece by piece.
    let mut encoder = GzipEncoder::new(Vec::new());
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).await.expect("written");
    }
    encoder.shutdown().await.expect("ended");
    let once = encoder.into_inner();
    let twice = encoded!(BrotliEncoder, &once);
    for (coding, body) in [("gzip", once), ("gzip, br", twice)] {
        let answer = ask(&stand, coding, &body).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{coding}: {answer:.200}");
    }
    // Bytes that decode to nothing end at a limit, too.
    let mut settings = settings();
    settings.body_bytes_max = 10_000;
    let stand = Stand::start(settings).await;
    let nothing = encoded!(GzipEncoder, b"").repeat(10_000);
    assert!(ask(&stand, "gzip", &nothing).await.starts_with("HTTP/1.1 413 "));
}

/// A window of gigabytes is asked for by ten bytes.
#[tokio::test]
async fn a_huge_window_is_refused() {
    let stand = Stand::start(settings()).await;
    // Magic number, a frame header with a window of 2^31 bytes, and a raw block of one byte.
    let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x09, 0x00, 0x00, b'x'];
    assert!(ask(&stand, "zstd", &body).await.starts_with("HTTP/1.1 400 "));
    let mut stream = stand.send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.expect("text");
    assert!(answer.ends_with("hello"), "{answer}");
}
