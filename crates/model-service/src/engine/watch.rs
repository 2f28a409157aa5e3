//! Ends the work on one token of a form when it takes far too long.
//!
//! llguidance counts items and fuel, and for some grammars an item costs a thousand times what it should. Time is the
//! last bound, then: the work is told to stop, and the answer is refused.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use llguidance::CancellationHandle;

/// The longest work on one token: far more than any honest form takes, even on a busy machine.
const LIMIT: Duration = Duration::from_millis(500);
/// How often the watch looks.
const TICK: Duration = Duration::from_millis(100);

type Current = Arc<Mutex<Option<(Instant, CancellationHandle)>>>;

/// The watch; its thread ends with it.
pub struct Watch {
    current: Current,
    _stop: Sender<()>,
}

impl Watch {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let current = Current::default();
        let seen = Arc::clone(&current);
        let look = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                if let Some((_, handle)) = lock(&seen).as_ref().filter(|(since, _)| since.elapsed() > LIMIT) {
                    handle.cancel();
                }
            }
        };
        std::thread::Builder::new().name("form-watch".to_owned()).spawn(look)?;
        Ok(Self { current, _stop: stop })
    }

    /// Does `work`, which `handle` stops.
    pub fn during<T>(&self, handle: CancellationHandle, work: impl FnOnce() -> T) -> T {
        *lock(&self.current) = Some((Instant::now(), handle));
        let done = work();
        *lock(&self.current) = None;
        done
    }
}

fn lock(current: &Current) -> MutexGuard<'_, Option<(Instant, CancellationHandle)>> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_is_stopped_and_short_work_is_not() {
        let watch = Watch::start().expect("a thread");
        let short = CancellationHandle::default();
        watch.during(short.clone(), || ());
        let long = CancellationHandle::default();
        watch.during(long.clone(), || {
            while !long.is_cancelled() {
                std::thread::yield_now();
            }
        });
        assert!(!short.is_cancelled());
    }
}
