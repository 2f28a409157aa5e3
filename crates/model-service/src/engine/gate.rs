//! The door between the async world and the engine's thread: requests go in here, within bounds, or are told why not.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::queue::Queue;
use super::request::Job;

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All slots are busy and the queue is full.
    #[error("the queue is full")]
    Full,
    /// The service finishes what it has and takes nothing new.
    #[error("the service is draining")]
    Draining,
    /// The engine's thread is gone.
    #[error("the engine has stopped")]
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Draining,
    Stopped,
}

struct State {
    queue: Queue<Job>,
    running: usize,
    embedding: bool,
    door: Door,
}

/// What is in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InHand {
    /// Sequences and embedding jobs that run.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
}

/// The door. Any thread submits; the engine's thread takes.
pub struct Gate {
    parallel: usize,
    state: Mutex<State>,
    changed: Condvar,
    shown: Shown,
}

/// What others may know of the state without its lock: as it was after the last change.
#[derive(Debug, Default)]
struct Shown {
    running: AtomicUsize,
    waiting: AtomicUsize,
    closed: AtomicBool,
}

impl Shown {
    fn update(&self, state: &State) {
        self.running.store(state.running + usize::from(state.embedding), Ordering::Relaxed);
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
        self.closed.store(state.door != Door::Open, Ordering::Relaxed);
    }
}

impl Gate {
    /// An open door before `parallel` slots, with room for `queue` more.
    pub fn new(parallel: usize, queue: usize) -> Self {
        let state = State { queue: Queue::new(queue), running: 0, embedding: false, door: Door::Open };
        Self { parallel, state: Mutex::new(state), changed: Condvar::new(), shown: Shown::default() }
    }

    /// Hands `job` to the engine.
    pub fn submit(&self, job: Job) -> Result<(), Refusal> {
        let mut state = self.lock();
        match state.door {
            Door::Open => {}
            Door::Draining => return Err(Refusal::Draining),
            Door::Stopped => return Err(Refusal::Stopped),
        }
        let free = self.parallel.saturating_sub(state.running);
        let admitted = state.queue.admit(job, free, Job::is_abandoned).map_err(|_| Refusal::Full);
        self.shown.update(&state);
        drop(state);
        admitted?;
        self.changed.notify_one();
        Ok(())
    }

    /// What runs and waits now. Takes no lock.
    pub fn in_hand(&self) -> InHand {
        InHand {
            running: self.shown.running.load(Ordering::Relaxed),
            waiting: self.shown.waiting.load(Ordering::Relaxed),
        }
    }

    /// Lets nothing new in. What was let in is finished.
    pub fn drain(&self) {
        let mut state = self.lock();
        if state.door == Door::Open {
            state.door = Door::Draining;
        }
        self.shown.update(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// Whether nothing new is let in. Takes no lock.
    pub fn is_draining(&self) -> bool {
        self.shown.closed.load(Ordering::Relaxed)
    }

    /// For the engine's thread: takes what can start now, while `running` sequences run and an embedding job does or
    /// does not. With nothing to do it waits. `None` says that all is done and nothing more will come.
    pub fn take(&self, running: usize, embedding: bool) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            let taken = self.take_ready(&mut state, running, embedding);
            self.shown.update(&state);
            if !taken.is_empty() || running > 0 || embedding {
                return Some(taken);
            }
            if state.door != Door::Open {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// For the engine's thread: it ends. What waits is dropped, which tells those who wait.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.door = Door::Stopped;
        (state.running, state.embedding) = (0, false);
        while state.queue.next(|_| true).is_some() {}
        self.shown.update(&state);
    }

    fn take_ready(&self, state: &mut State, running: usize, embedding: bool) -> Vec<Job> {
        (state.running, state.embedding) = (running, embedding);
        let mut taken = Vec::new();
        loop {
            let slot_free = state.running < self.parallel;
            let embedder_free = !state.embedding;
            let Some(job) = state.queue.next(|job| match job {
                Job::Generate(_) => slot_free,
                Job::Embed(_) => embedder_free,
            }) else {
                return taken;
            };
            if job.is_abandoned() {
                continue;
            }
            match job {
                Job::Generate(_) => state.running += 1,
                Job::Embed(_) => state.embedding = true,
            }
            taken.push(job);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot leave the state half changed in a way that matters here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::request::Embedding;
    use super::*;

    type Answer = oneshot::Receiver<Result<Vec<Vec<f32>>, domain::Problem>>;

    fn job() -> (Job, Answer) {
        let (reply, answer) = oneshot::channel();
        (Job::Embed(Embedding { inputs: vec![], reply }), answer)
    }

    #[test]
    fn a_full_gate_refuses_and_the_abandoned_make_room() {
        let gate = Gate::new(1, 0);
        let (first, answer) = job();
        assert_eq!(gate.submit(first), Ok(()));
        assert_eq!(gate.submit(job().0), Err(Refusal::Full));
        drop(answer);
        let (third, _answer) = job();
        assert_eq!(gate.submit(third), Ok(()));
        assert_eq!(gate.in_hand(), InHand { running: 0, waiting: 1 });
    }

    #[test]
    fn draining_finishes_what_was_let_in() {
        let gate = Gate::new(1, 4);
        let (first, _answer) = job();
        assert_eq!(gate.submit(first), Ok(()));
        gate.drain();
        assert_eq!(gate.submit(job().0), Err(Refusal::Draining));
        assert_eq!(gate.take(0, false).map(|jobs| jobs.len()), Some(1));
        assert_eq!(gate.in_hand().running, 1);
        assert!(gate.take(0, false).is_none());
    }

    #[test]
    fn one_embedding_job_runs_at_a_time() {
        let gate = Gate::new(1, 4);
        let (first, _a) = job();
        let (second, _b) = job();
        assert_eq!((gate.submit(first), gate.submit(second)), (Ok(()), Ok(())));
        assert_eq!(gate.take(0, false).map(|jobs| jobs.len()), Some(1));
        assert_eq!(gate.take(0, true).map(|jobs| jobs.len()), Some(0));
        assert_eq!(gate.in_hand(), InHand { running: 1, waiting: 1 });
        gate.stop();
        assert_eq!(gate.submit(job().0), Err(Refusal::Stopped));
    }
}
