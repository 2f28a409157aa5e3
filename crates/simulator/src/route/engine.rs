//! One replica at work: a queue, prompts read one at a time, answers computed side by side.
//!
//! Continuous batching, simply: a request waits in order of arrival until a slot is free, its blocks have room, and the
//! prompt before it has been read. Reading takes what is not cached over the rate; then each token of its answer takes
//! the same time, longer by how full the batch was when it began. Reading and answering do not slow each other.

use std::collections::VecDeque;

use super::cache::BlockCache;
use super::world_file::{Replica, US};

/// What is at work in a replica.
#[derive(Debug)]
pub struct Engine {
    pub spec: Replica,
    pub cache: BlockCache,
    pub queue: VecDeque<u32>,
    pub reading: Option<u32>,
    /// With a slot, the one that is reading among them.
    pub running: u32,
    pub is_up: bool,
    /// Dollars of what was computed to its end.
    pub usd: f64,
}

/// What became of the next request in the queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Started {
    /// Nothing can start now.
    No,
    /// It began to be read, which takes so long and found so many blocks there.
    Reading { request: u32, prefill_us: u64, matched: u32 },
    /// It is larger than the whole memory.
    TooLarge { request: u32 },
}

/// The size of a request in blocks and tokens.
#[derive(Debug, Clone, Copy)]
pub struct Size<'a> {
    pub input_tokens: u32,
    pub blocks: &'a [u64],
    pub private: u32,
}

impl Engine {
    pub fn new(spec: Replica) -> Self {
        let cache = BlockCache::new(spec.kv_blocks);
        Self { spec, cache, queue: VecDeque::new(), reading: None, running: 0, is_up: true, usd: 0.0 }
    }

    /// Starts the next in the queue if it can; `size` tells how large it is.
    pub fn start<'a>(&mut self, block_tokens: u32, size: impl Fn(u32) -> Size<'a>) -> Started {
        let Some(&request) = self.queue.front() else { return Started::No };
        if self.reading.is_some() || self.running >= self.spec.slots {
            return Started::No;
        }
        let size = size(request);
        let Some(matched) = self.cache.acquire(size.blocks, size.private) else {
            if self.running > 0 {
                return Started::No;
            }
            self.queue.pop_front();
            return Started::TooLarge { request };
        };
        self.queue.pop_front();
        self.reading = Some(request);
        self.running += 1;
        // At least the last token is always read.
        let cached = matched.saturating_mul(block_tokens).min(size.input_tokens.saturating_sub(1));
        let seconds = f64::from(size.input_tokens - cached) / self.spec.prefill_tokens_per_second;
        Started::Reading { request, prefill_us: ((seconds * US) as u64).max(1), matched }
    }

    /// The prompt is read: how long the rest of the answer takes.
    pub fn read(&mut self, prefill_us: u64, output_tokens: u32) -> u64 {
        self.reading = None;
        self.usd += self.spec.usd_per_hour / 3_600.0 * prefill_us as f64 / US;
        let full = f64::from(self.running) / f64::from(self.spec.slots);
        let token_us = self.spec.decode_us_per_token * (1.0 + self.spec.decode_slowdown * full);
        (f64::from(output_tokens.saturating_sub(1)) * token_us) as u64
    }

    /// The answer is done, and its slot is free.
    pub fn finish(&mut self, decode_us: u64, blocks: &[u64], private: u32) {
        self.running -= self.running.min(1);
        self.cache.release(blocks, private);
        let share = decode_us as f64 / US / f64::from(self.spec.slots);
        self.usd += self.spec.usd_per_hour / 3_600.0 * share;
    }

    /// Everything in it is lost.
    pub fn crash(&mut self) {
        self.queue.clear();
        self.reading = None;
        self.running = 0;
        self.cache.clear();
        self.is_up = false;
    }
}
