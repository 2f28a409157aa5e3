//! What the engine is doing, in numbers: written by its thread, read by `/health` and `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::Rate;

/// Counts of work done and in hand.
#[derive(Debug)]
pub struct Load {
    started: Instant,
    /// Turns of the engine's thread: each computed something for each request that was due.
    steps: AtomicU64,
    /// When the last of them ended, in milliseconds since `started`.
    last_step_ms: AtomicU64,
    /// How many tokens the step computes that is being made.
    step_tokens: AtomicU64,
    /// When work last arrived at an idle engine, in milliseconds since `started`.
    busy_since_ms: AtomicU64,
    kv_tokens: AtomicU64,
    prompt_tokens: AtomicU64,
    generation_tokens: AtomicU64,
    rates: Mutex<Rates>,
}

#[derive(Debug, Default)]
struct Rates {
    prompt: Rate,
    generation: Rate,
}

/// How far the engine's thread has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps made since the start.
    pub steps: u64,
    /// How long ago the last one ended; none before the first.
    pub last_step_ms_ago: Option<u64>,
    /// How long the engine has made no step since it last ended one, or since work came to it when it was idle.
    pub silent_ms: u64,
    /// How many tokens the step computes that is being made.
    pub step_tokens: u64,
}

/// How long a step may take for each of its tokens, in milliseconds: a large model on one core is no dead one.
const TOKEN_MS: u64 = 250;

impl Progress {
    /// Whether an engine that has work is stalled: it made no step for `limit_ms`, or for what its step may take.
    pub const fn is_stalled(&self, limit_ms: u64) -> bool {
        let step_ms = self.step_tokens.saturating_mul(TOKEN_MS);
        self.silent_ms > if step_ms > limit_ms { step_ms } else { limit_ms }
    }
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadNow {
    /// Tokens that running sequences hold in the cache.
    pub kv_tokens: u64,
    /// Prompt tokens computed since the start.
    pub prompt_tokens: u64,
    /// Tokens generated since the start.
    pub generation_tokens: u64,
    /// Prompt tokens computed per second, over ten seconds.
    pub prompt_tokens_per_second: f64,
    /// Tokens generated per second, over ten seconds.
    pub generation_tokens_per_second: f64,
}

impl Load {
    /// Nothing done, from `started` on.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            steps: AtomicU64::new(0),
            last_step_ms: AtomicU64::new(0),
            step_tokens: AtomicU64::new(0),
            busy_since_ms: AtomicU64::new(0),
            kv_tokens: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            generation_tokens: AtomicU64::new(0),
            rates: Mutex::new(Rates::default()),
        }
    }

    /// Notes that a step of so many tokens begins.
    pub fn step_begins(&self, tokens: u64) {
        self.step_tokens.store(tokens, Ordering::Relaxed);
    }

    /// Notes that the engine's thread has ended a step.
    pub fn step_ended(&self) {
        self.step_tokens.store(0, Ordering::Relaxed);
        self.last_step_ms.store(self.now_ms(), Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Release);
    }

    /// Notes that work comes to an engine that was idle: its silence counts from here.
    pub fn work_arrives(&self) {
        self.busy_since_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// How far the engine has come. Reads atomics alone, so that it never waits for work.
    pub fn progress(&self) -> Progress {
        let steps = self.steps.load(Ordering::Acquire);
        let last_step_ms = self.last_step_ms.load(Ordering::Relaxed);
        let since_ms = last_step_ms.max(self.busy_since_ms.load(Ordering::Relaxed));
        let now_ms = self.now_ms();
        Progress {
            steps,
            last_step_ms_ago: (steps > 0).then(|| now_ms.saturating_sub(last_step_ms)),
            silent_ms: now_ms.saturating_sub(since_ms),
            step_tokens: self.step_tokens.load(Ordering::Relaxed),
        }
    }

    /// Counts a step that computed `prompt` tokens of prompts and generated `generated`, and left `kv_tokens` in use.
    pub fn count_step(&self, prompt: u64, generated: u64, kv_tokens: u64) {
        self.kv_tokens.store(kv_tokens, Ordering::Relaxed);
        self.prompt_tokens.fetch_add(prompt, Ordering::Relaxed);
        self.generation_tokens.fetch_add(generated, Ordering::Relaxed);
        let now_ms = self.now_ms();
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.prompt.add(now_ms, prompt);
        rates.generation.add(now_ms, generated);
    }

    /// Counts `prompt` tokens computed for embeddings.
    pub fn count_tokens(&self, prompt: u64) {
        self.prompt_tokens.fetch_add(prompt, Ordering::Relaxed);
        let now_ms = self.now_ms();
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).prompt.add(now_ms, prompt);
    }

    /// The numbers now.
    pub fn now(&self) -> LoadNow {
        let now_ms = self.now_ms();
        let rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        LoadNow {
            kv_tokens: self.kv_tokens.load(Ordering::Relaxed),
            prompt_tokens: self.prompt_tokens.load(Ordering::Relaxed),
            generation_tokens: self.generation_tokens.load(Ordering::Relaxed),
            prompt_tokens_per_second: rates.prompt.per_second(now_ms),
            generation_tokens_per_second: rates.generation.per_second(now_ms),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn silence_counts_from_the_last_step_or_from_the_work_that_woke_the_engine() {
        let minute_ago = Instant::now().checked_sub(Duration::from_secs(60)).expect("the machine is up that long");
        let load = Load::new(minute_ago);
        let idle = load.progress();
        assert_eq!((idle.steps, idle.last_step_ms_ago), (0, None));
        assert!(idle.silent_ms >= 60_000);
        load.work_arrives();
        assert!(load.progress().silent_ms < 60_000, "an idle engine owes nothing for the time before");
        load.step_ended();
        let stepped = load.progress();
        assert_eq!(stepped.steps, 1);
        assert!(stepped.last_step_ms_ago.is_some_and(|ms| ms < 60_000));
    }

    #[test]
    fn a_long_step_of_a_slow_model_is_no_stall() {
        let silent =
            |silent_ms, step_tokens| Progress { steps: 9, last_step_ms_ago: Some(silent_ms), silent_ms, step_tokens };
        assert!(!silent(9_000, 0).is_stalled(10_000));
        assert!(silent(11_000, 4).is_stalled(10_000));
        assert!(!silent(60_000, 512).is_stalled(10_000));
        assert!(silent(130_000, 512).is_stalled(10_000));
    }
}
