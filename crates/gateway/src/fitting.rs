//! Where conversations are fitted: apart from the threads that answer, a few at a time, with a bounded line before it.
//!
//! A request that leaves takes its place in the line with it; work that has begun for it ends at its next look. What
//! takes too long ends too, and is passed on uncounted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use llm::context::Budget;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// Conversations fitted at once.
const AT_ONCE: usize = 4;
/// Of these, those of one model, so that one with a slow template leaves room for the others.
const AT_ONCE_OF_A_MODEL: usize = 2;
/// Conversations that wait for it; more are refused.
const WAITING_MAX: usize = 256;
/// Work for one conversation: a second or two of a slow machine.
const UNITS: u64 = 1 << 29;

/// The places.
#[derive(Debug)]
pub(crate) struct Fitting {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    /// Time for one conversation, once it has begun.
    time: Duration,
}

/// A model's own places.
#[derive(Debug)]
pub(crate) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE_OF_A_MODEL)))
    }
}

/// Tells the work that nobody waits for it, when it is dropped.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Fitting {
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        let time = Duration::from_millis(config.fitting_ms);
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), waiting: Semaphore::new(WAITING_MAX), time }
    }

    /// Does `work` when there is a place. Refused when too many wait; an error within when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        places: &Places,
        work: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> Result<Result<T, ()>, Refusal> {
        let full = || Refusal::overloaded("too many long conversations");
        let in_line = self.waiting.try_acquire().map_err(|_| full())?;
        let place = |places: &Arc<Semaphore>| Arc::clone(places).acquire_owned();
        // First the model's place, so that waiting for it holds no other.
        let held: [OwnedSemaphorePermit; 2] =
            [place(&places.0).await.map_err(|_| full())?, place(&self.running).await.map_err(|_| full())?];
        drop(in_line);
        let left = Arc::new(AtomicBool::new(false));
        let (leaving, until) = (Leaving(Arc::clone(&left)), Instant::now() + self.time);
        let working = tokio::task::spawn_blocking(move || {
            let done = work(&Budget::new(UNITS, move || left.load(Ordering::Relaxed) || Instant::now() > until));
            drop(held);
            done
        });
        let done = working.await.map_err(drop);
        drop(leaving);
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use llm::context::Exhausted;
    use tokio::sync::oneshot;

    use super::*;

    /// Spends until it is told to end.
    fn spin(budget: &Budget) -> Exhausted {
        loop {
            if let Err(why) = budget.charge(1) {
                return why;
            }
        }
    }

    #[tokio::test]
    async fn work_ends_when_its_request_leaves() {
        let (fitting, places) =
            (Fitting::new(&GatewayConfig { fitting_ms: 600_000, ..GatewayConfig::default() }), Places::default());
        let (began, has_begun) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let run = fitting.run(&places, move |_| {
            let _ = began.send(());
            // Its own budget has no end: only the request's leaving ends it.
            let _ = ended.send(());
        });
        run.await.expect("a place").expect("no panic");
        has_begun.await.expect("begun");
        has_ended.await.expect("ended");

        let (told, is_told) = oneshot::channel();
        let run = fitting.run(&places, move |budget| told.send(spin(budget)));
        let left = tokio::time::timeout(Duration::from_millis(20), run).await;
        assert!(left.is_err(), "it spins");
        assert_eq!(is_told.await, Ok(Exhausted::Stopped));
    }

    #[tokio::test]
    async fn a_model_holds_some_places_and_the_line_is_bounded() {
        let fitting = Arc::new(Fitting::new(&GatewayConfig { fitting_ms: 600_000, ..GatewayConfig::default() }));
        let slow = Arc::new(Places::default());
        let start = |places: &Arc<Places>| {
            let (fitting, places) = (Arc::clone(&fitting), Arc::clone(places));
            let (release, released) = std::sync::mpsc::channel::<()>();
            let running = telemetry::tasks::spawn("test", async move {
                fitting.run(&places, move |_| released.recv().is_ok()).await.is_ok()
            });
            (release, running)
        };
        // More than the model's places, and as many as the line takes.
        let started: Vec<_> = (0..AT_ONCE_OF_A_MODEL + WAITING_MAX).map(|_| start(&slow)).collect();
        while fitting.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = fitting.run(&Places::default(), |_| ()).await.expect_err("the line is full");
        assert_eq!((refused.status.as_u16(), refused.retry_after_seconds), (429, Some(1)));
        // A request that leaves the line makes room, though the slow model's places are all taken.
        let (release, running) = start(&slow);
        assert_eq!(running.await.expect("ended"), Some(false));
        drop(release);
        let (_, waiting) = started.last().expect("many");
        waiting.abort();
        while fitting.waiting.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fitting.run(&Places::default(), |_| 7).await.expect("a place"), Ok(7));
        drop(started);
    }
}
