//! A process without descriptors goes on serving when some come back. It runs in a process of its own, whose limit is
//! low.

use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::stand::{Stand, get, read_until, settings, within};

#[test]
fn out_of_descriptors_is_survived() {
    let this = std::env::current_exe().expect("a path");
    let script = "ulimit -n 40 && exec \"$0\" --ignored --exact descriptors::in_a_process_of_its_own --nocapture";
    let output = Command::new("sh").arg("-c").arg(script).arg(this).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// Clients and listener are in this process: together they want more descriptors than there are, in spite of the
/// listener's limit.
#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn in_a_process_of_its_own() {
    let stand = Stand::start(settings()).await;
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(stand.address).await {
        clients.push(client);
    }
    assert!(clients.len() > 10, "{}", clients.len());
    // Let the listener fail for a while.
    tokio::time::sleep(Duration::from_millis(200)).await;
    clients.truncate(2);
    let mut stream = within(async {
        loop {
            if let Ok(stream) = TcpStream::connect(stand.address).await {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, get("/").as_bytes()).await.expect("sent");
    assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200 "));
}
