//! Many connections at once, and the end of service.

use std::sync::Arc;
use std::time::Duration;

use listener::Settings;
use tokio::sync::Notify;

use crate::stand::{Stand, get, read_all, read_until, settings, within};

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let stand = Stand::start(Settings { connections_max: 8, ..settings() }).await;
    let mut idle = Vec::new();
    for number in 0..300 {
        // Some say nothing, some half a head, some had an answer and keep the connection.
        let text = ["", "GET / HT", &get("/")][number % 3].to_owned();
        let mut stream = stand.send(&text).await;
        if text.ends_with("\r\n\r\n") {
            read_until(&mut stream, "hello").await;
        }
        idle.push(stream);
    }
    let mut stream = stand.send(&get("/")).await;
    assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn those_at_work_stay_and_new_ones_wait_for_them() {
    let release = Arc::new(Notify::new());
    let stand = Stand::start_released(Settings { connections_max: 2, ..settings() }, Arc::clone(&release)).await;
    let (mut first, mut second) = (stand.send(&get("/wait")).await, stand.send(&get("/wait")).await);
    stand.wait("both are at work", |seen| seen.begun == 2).await;
    let mut third = stand.send(&get("/")).await;
    let answering = read_until(&mut third, "hello");
    tokio::pin!(answering);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut answering).await.is_err(),
        "there is no place for a third"
    );
    release.notify_one();
    within(answering).await;
    release.notify_one();
    // Idle now, they made room or not; both had their answers.
    assert!(read_until(&mut first, "released").await.starts_with("HTTP/1.1 200 "));
    assert!(read_until(&mut second, "released").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn what_runs_finishes_and_what_idles_ends_when_it_stops() {
    let release = Arc::new(Notify::new());
    let stand = Stand::start_released(settings(), Arc::clone(&release)).await;
    let mut idle = stand.send(&get("/")).await;
    read_until(&mut idle, "hello").await;
    let mut running = stand.send(&get("/wait")).await;
    let mut half = stand.send("GET / HT").await;
    stand.wait("it runs", |seen| seen.begun == 2).await;
    stand.stop.cancel();
    assert_eq!(read_all(&mut idle).await, "", "idle ones end at once");
    read_all(&mut half).await;
    release.notify_one();
    assert!(read_all(&mut running).await.ends_with("released"));
    stand.stopped().await;
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let stand = Stand::start(Settings { drain: Duration::from_millis(100), ..settings() }).await;
    let mut running = stand.send(&get("/wait")).await;
    stand.wait("it runs", |seen| seen.begun == 1).await;
    stand.stop.cancel();
    assert_eq!(read_all(&mut running).await, "");
    stand.wait("its work is given up", |seen| seen.dropped == 1).await;
    stand.stopped().await;
}
