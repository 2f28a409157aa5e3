//! What the engine is doing, in numbers: written by its thread, read by `/health` and `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::Rate;

/// Counts of work done and in hand.
#[derive(Debug)]
pub struct Load {
    started: Instant,
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
            kv_tokens: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            generation_tokens: AtomicU64::new(0),
            rates: Mutex::new(Rates::default()),
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
