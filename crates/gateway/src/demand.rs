//! What is asked of a model, counted for the control plane: a few atomic additions a request, told every few seconds.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use domain::ModelDemand;

use crate::relay::Usage;

/// The counts of one model, shared by its names, for as long as snapshots name it.
#[derive(Debug, Default)]
pub(crate) struct DemandCounts {
    arrived: AtomicU64,
    answered: AtomicU64,
    prompt_tokens: AtomicU64,
    generated_tokens: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicU32,
    waiting: AtomicU32,
}

impl DemandCounts {
    pub(crate) fn read(&self) -> ModelDemand {
        ModelDemand {
            arrived: self.arrived.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            prompt_tokens: self.prompt_tokens.load(Ordering::Relaxed),
            generated_tokens: self.generated_tokens.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// A request arrived; it waits for its answer.
    pub(crate) fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Its first content came.
    pub(crate) fn began(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// It is over. What was answered without a word on its tokens is no answer to learn from.
    pub(crate) fn ended(&self, still_waited: bool, refused: bool, usage: Usage) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if still_waited {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        if usage.prompt_tokens + usage.completion_tokens > 0 {
            self.answered.fetch_add(1, Ordering::Relaxed);
            self.prompt_tokens.fetch_add(usage.prompt_tokens, Ordering::Relaxed);
            self.generated_tokens.fetch_add(usage.completion_tokens, Ordering::Relaxed);
        }
    }
}
