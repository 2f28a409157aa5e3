//! Threads for work whose size a caller chooses: parsing, rendering, tokenising, compiling.
//!
//! It is not for waiting: a thread here computes from start to end. Threads and queue are bounded, and work whose caller
//! has left is not begun. Work that has begun is not interrupted; its own bounds end it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Stack of a thread. Parsers here and in libraries recurse; their depth is bounded so that it fits with room to spare.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Every thread is busy and the queue is full, or the turn did not come in time.
    #[error("too much work waits")]
    Busy,
    /// The work began and did not end in time.
    #[error("the work took longer than {0:?}")]
    Late(Duration),
    /// The work panicked.
    #[error("the work failed")]
    Failed,
}

type Work = Box<dyn FnOnce() + Send>;

/// The threads. They end when the pool is dropped.
pub struct Pool {
    queue: SyncSender<Work>,
}

impl Pool {
    /// Starts `threads` threads called `name`, before which at most `queue` pieces of work wait.
    pub fn new(name: &str, threads: usize, queue: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Work>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let receiver = Arc::clone(&receiver);
            let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
            builder.spawn(move || work_through(&receiver))?;
        }
        Ok(Self { queue: sender })
    }

    /// Runs `work` on a thread of the pool and waits for it, at most `limit` for its turn and `limit` for the work.
    /// Dropping the future takes back work that has not begun.
    pub async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (reply, mut result) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let job = move || {
            if reply.is_closed() {
                return;
            }
            begins.store(true, Ordering::Relaxed);
            // Whoever asked may have left meanwhile.
            let _ = reply.send(work());
        };
        self.queue.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => PoolError::Busy,
            TrySendError::Disconnected(_) => PoolError::Failed,
        })?;
        for _ in 0..2 {
            match tokio::time::timeout(limit, &mut result).await {
                Ok(result) => return result.map_err(|_| PoolError::Failed),
                Err(_) if begun.load(Ordering::Relaxed) => {}
                Err(_) => return Err(PoolError::Busy),
            }
        }
        Err(PoolError::Late(limit))
    }
}

fn work_through(queue: &Mutex<Receiver<Work>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // A panic ends its work, not the thread; it drops the reply, which tells whoever waits.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            tracing::error!("pooled work panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A pool of one thread that is busy until the sender is dropped.
    async fn busy(
        queue: usize,
    ) -> (Arc<Pool>, mpsc::Sender<()>, tokio::task::JoinHandle<Option<Result<(), PoolError>>>) {
        let pool = Arc::new(Pool::new("test", 1, queue).expect("threads"));
        let (release, held) = mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let first = {
            let pool = Arc::clone(&pool);
            telemetry::tasks::spawn("first", async move {
                pool.run(LONG, move || {
                    let _ = begun.send(());
                    let _ = held.recv();
                })
                .await
            })
        };
        begins.await.expect("it begins");
        (pool, release, first)
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_work_of_those_who_left_does_not_begin() {
        let (pool, release, first) = busy(1).await;
        let (ran, runs) = mpsc::channel::<()>();
        let mut waiting = Box::pin(pool.run(LONG, move || ran.send(())));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert_eq!(pool.run(LONG, || ()).await, Err(PoolError::Busy));
        drop(waiting);
        drop(release);
        assert_eq!(first.await.expect("joins"), Some(Ok(())));
        // The work that nobody waits for keeps its place until a thread has thrown it away.
        let next = loop {
            match pool.run(LONG, || 7).await {
                Err(PoolError::Busy) => tokio::task::yield_now().await,
                done => break done,
            }
        };
        assert_eq!(next, Ok(7));
        assert!(runs.recv().is_err(), "it was dropped unsent");
    }

    #[tokio::test]
    async fn late_work_is_told_from_a_late_turn() {
        let (pool, release, first) = busy(4).await;
        let short = Duration::from_millis(10);
        assert_eq!(pool.run(short, || ()).await, Err(PoolError::Busy));
        drop(release);
        assert_eq!(first.await.expect("joins"), Some(Ok(())));
        let (_hold, held) = mpsc::channel::<()>();
        assert_eq!(pool.run(short, move || held.recv()).await, Err(PoolError::Late(short)));
    }

    #[tokio::test]
    async fn a_panic_ends_its_work_alone() {
        let pool = Pool::new("test", 1, 1).expect("threads");
        assert_eq!(pool.run(LONG, || panic!("on purpose")).await, Err::<(), _>(PoolError::Failed));
        assert_eq!(pool.run(LONG, || 1).await, Ok(1));
    }
}
