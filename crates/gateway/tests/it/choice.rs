//! Which replica a request gets: the one that holds its beginning, unless others are better all the same.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Answer, Bench, config, eventually, replica, snapshot};
use crate::upstream::{Act, Upstream};

/// A replica that takes a while for a prompt of a thousand tokens.
async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    upstream.always(Act::Slow(Duration::from_millis(60)));
    upstream.usage(1_000, 0);
    upstream
}

/// So many turns of a conversation of its own, with a beginning of a thousand tokens.
fn conversation(name: &str, turns: usize, stream: bool) -> String {
    let turn = |turn: usize| {
        let role = if turn.is_multiple_of(2) { "user" } else { "assistant" };
        json!({"role": role, "content": format!("turn {turn}")})
    };
    let system = json!({"role": "system", "content": name.repeat(4_000 / name.len())});
    let messages: Vec<Value> = std::iter::once(system).chain((0..2 * turns - 1).map(turn)).collect();
    json!({"model": "demo", "messages": messages, "max_tokens": 7, "stream": stream}).to_string()
}

async fn asked(bench: &Bench, body: &str) -> String {
    let answer: Answer = bench.chat(body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-mcp-replica").to_owned()
}

#[tokio::test]
async fn a_conversation_goes_on_where_it_began() {
    let upstreams = [upstream().await, upstream().await, upstream().await];
    let bench = Bench::over(&upstreams.iter().collect::<Vec<_>>(), config()).await;
    for (name, stream) in [("one", false), ("two", true), ("three", false), ("four", true), ("five", true)] {
        let began = asked(&bench, &conversation(name, 1, stream)).await;
        for turns in 2..5 {
            assert_eq!(asked(&bench, &conversation(name, turns, stream)).await, began, "{name}, turn {turns}");
        }
    }
}

#[tokio::test]
async fn it_goes_elsewhere_when_that_one_is_loaded_and_down_or_draining() {
    let upstreams = [upstream().await, upstream().await];
    let all: Vec<&Upstream> = upstreams.iter().collect();
    let bench = Bench::over(&all, config()).await;
    let holder = |id: &str| if id == "r0" { (&upstreams[0], "r1") } else { (&upstreams[1], "r0") };

    let began = asked(&bench, &conversation("loaded", 1, true)).await;
    let (held_by, other) = holder(&began);
    held_by.health(200, r#"{"status":"ok","running":4,"waiting":400,"parallel":4}"#);
    let probes = held_by.seen().probes;
    held_by.wait("its load is known", |seen| seen.probes >= probes + 2).await;
    assert_eq!(asked(&bench, &conversation("loaded", 2, true)).await, other);

    held_by.health(503, r#"{"status":"draining"}"#);
    up(&bench, 1).await;
    assert_eq!(asked(&bench, &conversation("loaded", 3, true)).await, other);
}

/// A cheap replica and a dear one, which has the conversation: the cheap one was down when it began.
async fn held_by_the_dear(name: &str) -> (Upstream, Upstream, Bench) {
    let (cheap, dear) = (upstream().await, upstream().await);
    let mut priced = replica("dear", &dear.url);
    // Less than the beginning is worth, and more than the way there differs.
    priced.price_per_hour = domain::Money::from_dollars(1_000.0);
    let bench = Bench::with_snapshot(&snapshot(1, vec![replica("cheap", &cheap.url), priced]), config()).await;
    cheap.health(503, "{}");
    up(&bench, 1).await;
    assert_eq!(asked(&bench, &conversation(name, 1, true)).await, "dear");
    cheap.health(200, READY);
    up(&bench, 2).await;
    assert_eq!(asked(&bench, &conversation(name, 2, true)).await, "dear");
    (cheap, dear, bench)
}

const READY: &str = r#"{"status":"ok","running":0,"waiting":0,"parallel":4}"#;

async fn up(bench: &Bench, count: u32) {
    eventually("as many are up", || async { bench.get("/health").await.json()["replicas_up"] == count }).await;
}

#[tokio::test]
async fn a_replica_that_was_gone_holds_nothing() {
    let (_cheap, dear, bench) = held_by_the_dear("kept").await;
    // It says that it loads: whatever it held is lost.
    dear.health(503, r#"{"status":"loading"}"#);
    up(&bench, 1).await;
    dear.health(200, READY);
    up(&bench, 2).await;
    assert_eq!(asked(&bench, &conversation("kept", 3, true)).await, "cheap");
}

#[tokio::test]
async fn what_a_replica_says_it_did_not_find_is_not_counted_on_for_long() {
    let (_cheap, dear, bench) = held_by_the_dear("lost").await;
    dear.usage(1_000, 0);
    let mut turns = 3;
    while asked(&bench, &conversation("lost", turns, true)).await == "dear" {
        turns += 1;
        assert!(turns < 60, "its word is never taken");
    }
    // And one that found it all keeps it.
    let (_cheap, dear, bench) = held_by_the_dear("found").await;
    dear.usage(1_000, 990);
    for turns in 3..turns + 10 {
        assert_eq!(asked(&bench, &conversation("found", turns, true)).await, "dear");
    }
}
