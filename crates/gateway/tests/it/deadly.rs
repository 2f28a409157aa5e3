//! Requests of which replicas die: they end at two replicas, and nobody else is blamed for it.

use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::BodyExt as _;

use crate::bench::{Answer, Bench, CHAT, KEY, config, dearer, eventually, post, replica, routes, snapshot};
use crate::metrics::{page, value};
use crate::upstream::{Act, Upstream};

const KILLER: &str = r#"{"model":"demo","messages":[{"role":"user","content":"kill"}]}"#;
const KILLER_STREAM: &str = r#"{"model":"demo","messages":[{"role":"user","content":"kill"}],"stream":true}"#;

async fn fleet(count: usize, act: Act) -> Vec<Upstream> {
    let upstreams = join_all((0..count).map(|_| Upstream::start())).await;
    upstreams.iter().for_each(|upstream| upstream.when("kill", act.clone()));
    upstreams
}

fn dead(upstreams: &[Upstream]) -> usize {
    upstreams.iter().filter(|upstream| upstream.is_dead()).count()
}

fn all(upstreams: &[Upstream]) -> Vec<&Upstream> {
    upstreams.iter().collect()
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 422 && answer.code() == "deadly_request"
}

#[tokio::test]
async fn it_ends_at_two_replicas_and_is_refused_for_a_while() {
    let upstreams = fleet(4, Act::Die).await;
    let bench = Bench::over(&all(&upstreams), config()).await;
    let answer = bench.chat(KILLER).await;
    assert!(is_refused(&answer), "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    assert_eq!(dead(&upstreams), 2);
    // Again, and as many at once: nobody else dies of it.
    for answer in join_all((0..8).map(|_| bench.chat(KILLER))).await {
        assert!(is_refused(&answer), "{answer:?}");
    }
    assert_eq!(dead(&upstreams), 2);
    assert_eq!(bench.chat(CHAT).await.status, 200);
}

/// Sent by many at once it kills at most what it was sent to in the first round, and one more.
#[tokio::test]
async fn who_ran_beside_it_is_answered() {
    let upstreams = fleet(6, Act::Die).await;
    upstreams.iter().for_each(|upstream| upstream.always(Act::Slow(Duration::from_millis(200))));
    let bench = Bench::over(&all(&upstreams), config()).await;
    let ordinary = |number: usize| CHAT.replace("hi", &format!("a question of its own, {number}"));
    let asking = join_all((0..12).map(|number| {
        let (bench, body) = (&bench, ordinary(number));
        async move { bench.chat(&body).await }
    }));
    let killing = async {
        eventually("all are asked", || async {
            upstreams.iter().map(|upstream| upstream.seen().requests.len()).sum::<usize>() >= 12
        })
        .await;
        bench.chat(KILLER).await
    };
    let (asked, killed) = tokio::join!(asking, killing);
    for answer in &asked {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(is_refused(&killed), "{killed:?}");
    // Two, or three when another suspect had to run beside it.
    assert!((2..=3).contains(&dead(&upstreams)), "{}", dead(&upstreams));
    for number in 0..12 {
        assert_eq!(bench.chat(&ordinary(number)).await.status, 200, "none of them is refused later");
    }
}

#[tokio::test]
async fn one_that_hangs_them_is_found_too() {
    let upstreams = fleet(4, Act::Hang).await;
    let mut config = config();
    config.probe_timeout_ms = 60;
    config.probe_failures = 2;
    let bench = Bench::over(&all(&upstreams), config).await;
    eventually("all are up", || async { bench.get("/health").await.json()["replicas_up"] == 4 }).await;
    let answer = bench.chat(KILLER).await;
    assert!(is_refused(&answer), "{answer:?}");
    assert_eq!(upstreams.iter().map(|upstream| upstream.seen().requests.len()).sum::<usize>(), 2);
    assert_eq!(bench.chat(CHAT).await.status, 200);
}

/// Content had come, so that nothing can be asked again; but the next time is remembered.
#[tokio::test]
async fn one_that_kills_in_the_middle_of_its_answer_is_found_the_second_time() {
    let page = page();
    let upstreams = fleet(4, Act::StallAfterContent(1)).await;
    let mut snapshot = snapshot(1, routes(&all(&upstreams)));
    snapshot.models.insert("cut".to_owned(), snapshot.models["demo"].clone());
    let bench = Bench::with_page(&snapshot, config(), page).await;
    let killer = KILLER_STREAM.replace("demo", "cut");
    for action in ["suspected", "blamed"] {
        let mut sender = bench.connect().await;
        let response = sender.send_request(post("/v1/chat/completions", KEY, &killer)).await.expect("a head");
        let replica = response.headers()["x-mcp-replica"].to_str().expect("an id").to_owned();
        let mut body = response.into_body();
        body.frame().await.expect("a frame").expect("content");
        upstreams[replica[1..].parse::<usize>().expect("a number")].kill().await;
        let rest = body.collect().await.expect("an end in order").to_bytes();
        assert!(String::from_utf8_lossy(&rest).contains("upstream_lost"), "{rest:?}");
        // The death is looked into behind the answer.
        let series = format!(r#"mastercontrol_gateway_deadly_requests_total{{model="cut",action="{action}"}}"#);
        eventually(action, || async { value(&bench.get("/metrics").await.body, &series) >= 1.0 }).await;
    }
    let answer = bench.chat(&killer).await;
    assert!(is_refused(&answer), "{answer:?}");
}

/// A replica that closes the connection on a request and lives: the request is at fault, and neither is put aside.
#[tokio::test]
async fn replicas_that_live_are_not_counted_dead() {
    let upstreams = fleet(3, Act::Close).await;
    let mut config = config();
    config.ejection_failures = 1;
    let bench = Bench::with_snapshot(&snapshot(1, dearer(&all(&upstreams))), config).await;
    let answer = bench.chat(KILLER).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "upstream_failed"));
    let requests = || upstreams.iter().map(|upstream| upstream.seen().requests.len()).collect::<Vec<_>>();
    // Once on a kept connection there may be a second try on a new one.
    assert_eq!(requests(), [1, 1, 0]);
    assert_eq!(bench.chat(CHAT).await.status, 200);
    assert_eq!(requests(), [2, 1, 0], "the first is not put aside");
    assert_eq!(bench.chat(KILLER).await.status, 502, "and the request is asked again");
}

/// Two of its replicas die by chance while others die, too: a request is no culprit for that.
#[tokio::test]
async fn a_request_that_loses_two_replicas_by_chance_goes_on() {
    let upstreams = fleet(5, Act::Die).await;
    upstreams.iter().for_each(|upstream| upstream.always(Act::Stall));
    let elsewhere = Upstream::start().await;
    let mut places = routes(&all(&upstreams));
    // Another site, dearer, so that it is asked when a replica of the first has died.
    let mut other = replica("other", &elsewhere.url);
    other.site = "local/us-west".parse().expect("a site");
    other.price_per_hour = domain::Money::from_dollars(1e6);
    elsewhere.always(Act::Stall);
    places.push(other);
    let bench = Bench::with_snapshot(&snapshot(1, places), config()).await;
    eventually("all are up", || async { bench.get("/health").await.json()["replicas_up"] == 6 }).await;
    let asking = bench.chat(CHAT);
    let killing = async {
        let asked = |upstream: &&Upstream| !upstream.seen().requests.is_empty();
        eventually("it is asked", || async { upstreams.iter().any(|upstream| asked(&upstream)) }).await;
        let first = upstreams.iter().position(|upstream| asked(&upstream)).expect("one is asked");
        // The site is lost but for one, which answers.
        for at in (0..5).filter(|at| *at != (first + 1) % 5) {
            upstreams[at].kill().await;
        }
        elsewhere.wait("it goes to the other site", |seen| seen.requests.len() == 1).await;
        upstreams[(first + 1) % 5].always(Act::Answer);
        elsewhere.kill().await;
    };
    let (answer, ()) = tokio::join!(asking, killing);
    assert_eq!(answer.status, 200, "{answer:?}");
}
