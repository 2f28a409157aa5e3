//! Notices that this process did not run for a while: it was stopped, its virtual machine was paused, or the machine was
//! so busy that no timer came in time.
//!
//! What went unanswered then says nothing of a replica. So whatever judges silence asks here first, and begins again
//! when the silence may have been our own.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How often it beats.
const BEAT: Duration = Duration::from_millis(250);
/// How late a beat may come before that counts as a pause. Every judgement of silence takes longer to form, or is void.
const LATE_MS: u64 = 1_000;

/// Beats, in milliseconds since it was made.
#[derive(Debug)]
pub(crate) struct Pulse {
    made: Instant,
    last_beat_ms: AtomicU64,
    resumed_ms: AtomicU64,
}

/// The time is up, and this process ran all the while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silence;

impl Default for Pulse {
    fn default() -> Self {
        Self { made: Instant::now(), last_beat_ms: AtomicU64::new(0), resumed_ms: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Beats until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        self.last_beat_ms.store(self.millis(Instant::now()), Ordering::Release);
        while !stop.is_cancelled() {
            if let Some(paused_ms) = self.beat(self.millis(Instant::now())) {
                tracing::warn!(paused_ms, "this process was paused: replicas are probed afresh before they are judged");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(BEAT) => {}
            }
        }
    }

    /// Notes a beat; for how long nothing ran, when it came late.
    fn beat(&self, now_ms: u64) -> Option<u64> {
        let since_ms = now_ms.saturating_sub(self.last_beat_ms.load(Ordering::Acquire));
        let is_late = since_ms > BEAT.as_millis() as u64 + LATE_MS;
        if is_late {
            // Before the beat itself, so that nobody sees a beat in time and no pause.
            self.resumed_ms.store(now_ms, Ordering::Release);
        }
        self.last_beat_ms.store(now_ms, Ordering::Release);
        is_late.then_some(since_ms)
    }

    /// Whether this process was paused at some time since `began`.
    pub(crate) fn was_paused_since(&self, began: Instant) -> bool {
        self.was_paused_between(self.millis(began), self.millis(Instant::now()))
    }

    fn was_paused_between(&self, began_ms: u64, now_ms: u64) -> bool {
        let beat_ms = self.last_beat_ms.load(Ordering::Acquire);
        let resumed_ms = self.resumed_ms.load(Ordering::Acquire);
        // Whoever wakes before the beat does sees that it is overdue.
        let is_overdue = now_ms.saturating_sub(beat_ms) > BEAT.as_millis() as u64 + LATE_MS;
        is_overdue || (resumed_ms > 0 && resumed_ms >= began_ms)
    }

    /// Waits for `future` until it has been silent for `limit` while this process ran: after a pause the time begins anew.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Silence> {
        let mut future = pin!(future);
        loop {
            let began = Instant::now();
            match timeout(limit, future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(_) if self.was_paused_since(began) => {}
                Err(_) => return Err(Silence),
            }
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.made).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_comes_late_is_a_pause_for_all_that_began_before_it() {
        let pulse = Pulse::default();
        for now_ms in (250..=2_000).step_by(250) {
            assert_eq!(pulse.beat(now_ms), None);
        }
        assert!(!pulse.was_paused_between(0, 2_100));
        // Stopped at 2 s for forty seconds: who wakes before the beat sees it too.
        assert!(pulse.was_paused_between(1_900, 42_000));
        assert_eq!(pulse.beat(42_001), Some(40_001));
        assert!(pulse.was_paused_between(1_900, 42_002) && pulse.was_paused_between(41_999, 42_100));
        // What begins after it is judged as ever.
        assert!(!pulse.was_paused_between(42_002, 42_100));
        // A beat that is a little late, on a busy machine, is none.
        assert_eq!(pulse.beat(43_200), None);
        assert!(!pulse.was_paused_between(42_002, 44_000));
    }

    #[tokio::test]
    async fn the_time_begins_anew_after_a_pause() {
        let limit = Duration::from_millis(20);
        let runs = Pulse::default();
        assert_eq!(runs.within(limit, std::future::pending::<()>()).await, Err(Silence));
        // Its last beat is ten seconds ago: what came meanwhile is still to be read.
        let made = Instant::now().checked_sub(Duration::from_secs(10)).expect("the machine runs for longer");
        let paused = Pulse { made, ..Pulse::default() };
        assert_eq!(paused.within(limit, sleep(5 * limit)).await, Ok(()));
    }
}
