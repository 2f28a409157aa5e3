//! A gateway that was stopped for a while judges nobody by its own silence.

use std::time::Duration;

use crate::bench::{Bench, CHAT, CHAT_STREAM, config, eventually};
use crate::upstream::{Act, Upstream};

/// The replica answers on a thread of its own; the gateway's only thread stands still, as after SIGSTOP, for longer than
/// every limit. What the replica sent meanwhile is read afterwards: it is not asked again, cut or put aside.
#[test]
fn after_a_pause_nothing_is_judged_by_the_silence() {
    let replicas =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let gateways = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (act, body) in [
        (Act::Slow(Duration::from_millis(1_000)), CHAT),
        (Act::Slow(Duration::from_millis(1_000)), CHAT_STREAM),
        (Act::PauseAfterContent(Duration::from_millis(1_000)), CHAT_STREAM),
    ] {
        let upstream = replicas.block_on(Upstream::start());
        upstream.always(act.clone());
        gateways.block_on(async {
            let mut config = config();
            config.probe_timeout_ms = 400;
            config.probe_failures = 1;
            config.ejection_failures = 1;
            config.first_content_ms = 1_200;
            config.stream_idle_ms = 1_200;
            let bench = Bench::over(&[&upstream], config).await;
            eventually("it is up", || async { bench.get("/health").await.json()["replicas_up"] == 1 }).await;
            let mut asking = Box::pin(bench.chat(body));
            tokio::select! {
                _ = &mut asking => panic!("too early"),
                () = upstream.wait("the request", |seen| seen.requests.len() == 1) => {}
            }
            #[allow(clippy::disallowed_methods, reason = "that nothing runs is what is tested")]
            std::thread::sleep(Duration::from_millis(2_500));
            let answer = asking.await;
            assert_eq!(answer.status, 200, "{act:?}: {answer:?}");
            assert!(!answer.body.contains("error"), "{act:?}: {answer:?}");
            assert_eq!(upstream.seen().requests.len(), 1, "{act:?}");
            assert_eq!(bench.get("/health").await.json()["replicas_up"], 1, "{act:?}");
        });
    }
}
